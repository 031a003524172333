package main

import (
	"flag"
	"fmt"
	"log"
	"os/exec"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

// policy enforces NetworkPolicy on the one node: it watches policies, pods and namespaces, and on every change puts one
// table of nftables in place of the last, in one transaction. What rules say is in rules.go.
func policy(arguments []string) error {
	flags := flag.NewFlagSet("policy", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "")
	flags.Parse(arguments)
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(kubernetes.NewForConfigOrDie(config), 0)
	changed := make(chan struct{}, 1)
	wake := func(any) {
		select {
		case changed <- struct{}{}:
		default: // it is woken already, and will see this change too
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: wake, DeleteFunc: wake, UpdateFunc: func(_, now any) { wake(now) },
	}
	pods, namespaces, policies := factory.Core().V1().Pods(), factory.Core().V1().Namespaces(), factory.Networking().V1().NetworkPolicies()
	for _, informer := range []cache.SharedIndexInformer{pods.Informer(), namespaces.Informer(), policies.Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	factory.Start(nil)
	factory.WaitForCacheSync(nil)
	last := ""
	for range changed {
		var world world
		world.pods, _ = pods.Lister().List(labels.Everything())
		world.namespaces, _ = namespaces.Lister().List(labels.Everything())
		world.policies, _ = policies.Lister().List(labels.Everything())
		if table := world.table(); table != last {
			if err := load(table); err != nil {
				log.Print(err)
				time.AfterFunc(time.Second, func() { wake(nil) })
				continue
			}
			last = table
		}
		time.Sleep(20 * time.Millisecond) // a rollout changes many things at once
	}
	return nil
}

func load(table string) error {
	command := exec.Command("nft", "-f", "-")
	command.Stdin = strings.NewReader(table)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %v: %s", err, out)
	}
	return nil
}
