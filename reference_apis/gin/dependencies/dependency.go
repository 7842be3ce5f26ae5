// Package dependencies answers: what are the servers that the API uses, and how are they asked without ever
// waiting too long?
package dependencies

import (
	"context"
	"errors"
	"fmt"
	"time"

	"reference-api/configuration"
)

// Deadline is how long a dependency may take, for a whole request or a whole check.
const Deadline = 2 * time.Second

// Names are all the dependencies there can be, in the order in which /health/all asks.
var Names = []string{"vault", "postgres", "mysql", "mongodb", "redis", "rabbitmq"}

// Dependency is a server that the API uses. Connections are made when first needed, pooled, and replaced when
// they break.
type Dependency interface {
	// Check asks the server something real; its version.
	Check(ctx context.Context) (string, error)
	// Close ends every connection.
	Close()
}

// Unavailable says that a dependency is not configured ("absent"), or does not answer as it should
// ("unreachable").
type Unavailable struct {
	Reason string
	Cause  string
}

func (unavailable *Unavailable) Error() string { return unavailable.Cause }

// Opened are the dependencies that are configured; the others are nil.
type Opened struct {
	Vault    *Vault
	Postgres *Postgres
	MySQL    *MySQL
	MongoDB  *MongoDB
	Redis    *Redis
	RabbitMQ *RabbitMQ

	byName map[string]Dependency
}

// Open makes a client for every dependency that is configured. It connects to nothing yet, so that the API
// starts without its dependencies.
func Open(config configuration.Configuration) (*Opened, error) {
	opened := &Opened{byName: map[string]Dependency{}}
	err := errors.Join(
		open(opened, "vault", config.Vault, newVault, &opened.Vault),
		open(opened, "postgres", config.Postgres, newPostgres, &opened.Postgres),
		open(opened, "mysql", config.MySQL, newMySQL, &opened.MySQL),
		open(opened, "mongodb", config.MongoDB, newMongoDB, &opened.MongoDB),
		open(opened, "redis", config.Redis, newRedis, &opened.Redis),
		open(opened, "rabbitmq", config.RabbitMQ, newRabbitMQ, &opened.RabbitMQ),
	)
	return opened, err
}

func open[Settings any, Client Dependency](
	opened *Opened, name string, settings *Settings, make func(Settings) (Client, error), client *Client,
) error {
	if settings == nil {
		return nil
	}
	made, err := make(*settings)
	if err != nil {
		// Not quoted: drivers like to quote the address they were given, password included.
		return fmt.Errorf("the section %s of the configuration is not as its driver needs it (%T)", name, err)
	}
	*client = made
	opened.byName[name] = made
	return nil
}

// Get gives the dependency of that name.
func (opened *Opened) Get(name string) (Dependency, error) {
	if found, ok := opened.byName[name]; ok {
		return found, nil
	}
	return nil, Absent(name)
}

// Close ends every connection.
func (opened *Opened) Close() {
	for _, dependency := range opened.byName {
		dependency.Close()
	}
}

// Absent is the error of a dependency that is not configured.
func Absent(name string) error {
	return &Unavailable{Reason: "absent", Cause: name + " is not configured"}
}

// Ask gives what a dependency answers within the deadline. Its error names the driver's error but does not quote
// it: drivers like to quote the address they were given, password included.
//
// Not the request's context: a caller that goes away would end a connection that others use.
func Ask[Answer any](name string, answer func(context.Context) (Answer, error)) (Answer, error) {
	within, cancel := context.WithTimeout(context.Background(), Deadline)
	defer cancel()
	found, err := answer(within)
	if err == nil {
		return found, nil
	}
	cause := fmt.Sprintf("%s did not answer (%T)", name, innermost(err))
	if within.Err() != nil {
		cause = fmt.Sprintf("%s did not answer within %g s", name, Deadline.Seconds())
	}
	return found, &Unavailable{Reason: "unreachable", Cause: cause}
}

// innermost gives the error that the others were wrapped around.
func innermost(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
