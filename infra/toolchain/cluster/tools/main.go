// The small programs around the test cluster, in one static binary: two controllers, the pause container, and an app
// for the tests to deploy. The first argument picks one.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	programs := map[string]func([]string) error{
		"fetch":   fetch,
		"ingress": ingress,
		"pause":   pause,
		"policy":  policy,
		"serve":   serve,
	}
	if len(os.Args) < 2 || programs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: tools fetch|ingress|pause|policy|serve ...")
		os.Exit(2)
	}
	if err := programs[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pause holds a pod's namespaces: it sleeps until it is told to end, and buries what dies in its care.
func pause([]string) error {
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGINT, syscall.SIGTERM)
	deaths := make(chan os.Signal, 1)
	signal.Notify(deaths, syscall.SIGCHLD)
	for {
		select {
		case <-ends:
			return nil
		case <-deaths:
			for {
				if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
					break
				}
			}
		}
	}
}
