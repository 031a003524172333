package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/websocket"
)

// serve is the app that tests deploy. What it answers shows what it was given: its commit, its variables, its database,
// and what it reaches from where it runs. VERSION=broken makes one that never becomes healthy.
func serve(arguments []string) error {
	port := os.Getenv("PORT")
	if len(arguments) > 0 {
		port = arguments[0]
	}
	if port == "" {
		port = "8080"
	}
	host, _ := os.Hostname()
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) {
		if os.Getenv("BROKEN") != "" {
			http.Error(w, "broken on purpose", http.StatusInternalServerError)
		}
	})
	mux.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, os.Getenv(r.URL.Query().Get("name")))
	})
	mux.HandleFunc("/header", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Header.Get(r.URL.Query().Get("name")))
	})
	// Says again what it hears; the plain Handler would refuse who names no origin.
	mux.Handle("/socket", websocket.Server{Handler: func(socket *websocket.Conn) { io.Copy(socket, socket) }})
	mux.HandleFunc("/query", func(w http.ResponseWriter, r *http.Request) {
		out, err := psql(r.Context(), r.URL.Query().Get("sql"))
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
		w.Write(out)
	})
	mux.HandleFunc("/fetch", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, answer(r.URL.Query().Get("url")))
	})
	mux.HandleFunc("/connect", func(w http.ResponseWriter, r *http.Request) {
		connection, err := net.DialTimeout("tcp", r.URL.Query().Get("to"), 2*time.Second)
		if err != nil {
			fmt.Fprintln(w, "no:", err)
			return
		}
		connection.Close()
		fmt.Fprintln(w, "yes")
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path)
		fmt.Fprintf(w, "hello from %s, commit %s, as %s\n", host, os.Getenv("EPH_COMMIT"), r.Host)
	})
	fmt.Println("listening on", port)
	server := &http.Server{Addr: ":" + port, Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-ends
		server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		return err
	}
	return nil
}

func psql(ctx context.Context, query string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return exec.CommandContext(ctx, "psql", os.Getenv("DATABASE_URL"), "-XAtc", query).CombinedOutput()
}

// fetch prints what a URL answers, from where it runs; it fails when nothing does.
func fetch(arguments []string) error {
	for _, url := range arguments {
		said := answer(url)
		fmt.Println(said)
		if strings.HasPrefix(said, "no:") {
			os.Exit(1)
		}
	}
	return nil
}

func answer(url string) string {
	client := &http.Client{
		Timeout:   3 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true},
	}
	response, err := client.Get(url)
	if err != nil {
		return "no: " + err.Error()
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
	return fmt.Sprintf("%d %s", response.StatusCode, body)
}
