// How is the API started?
//
//	reference-api CONFIG.json
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"reference-api/configuration"
	"reference-api/dependencies"
	"reference-api/routes"
)

// grace is how long requests under way may take when the API is asked to end.
const grace = 2 * time.Second

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: reference-api CONFIG.json")
		os.Exit(1)
	}
	if err := serve(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve serves the API that one configuration file describes until a signal ends it.
func serve(path string) error {
	config, err := configuration.Read(path)
	if err != nil {
		return err
	}
	opened, err := dependencies.Open(config)
	if err != nil {
		return err
	}
	defer opened.Close()

	server := &http.Server{
		Addr:              net.JoinHostPort(config.Host, strconv.Itoa(config.Port)),
		Handler:           routes.New(config.Aggregation, opened),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       75 * time.Second,
	}
	ending, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ended := make(chan error, 1)
	go func() {
		<-ending.Done()
		within, cancel := context.WithTimeout(context.Background(), grace)
		defer cancel()
		ended <- server.Shutdown(within)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	<-ended
	return nil
}
