// Package configuration answers: where does the API listen, and where are its dependencies?
//
// One JSON file says it. A file rather than arguments or the environment: both of those are visible to other
// processes, and passwords are in it. A dependency without a section is absent, which is fine.
package configuration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Secret is text that is never shown: it prints as stars.
type Secret string

func (Secret) String() string   { return "********" }
func (Secret) GoString() string { return "********" }

// Reveal gives the text itself, to a driver.
func (secret Secret) Reveal() string { return string(secret) }

// Database is a PostgreSQL or MySQL server.
type Database struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	User     string `json:"user"`
	Password Secret `json:"password"`
	Database string `json:"database"`
}

// Redis is one Redis node, or the nodes of a cluster, as host:port.
type Redis struct {
	Nodes    []string `json:"nodes"`
	Cluster  bool     `json:"cluster"`
	Password Secret   `json:"password"`
}

// RabbitMQ is a RabbitMQ server and the virtual host to publish into.
type RabbitMQ struct {
	Host     string `json:"host"`
	Port     int    `json:"port"`
	User     string `json:"user"`
	Password Secret `json:"password"`
	VHost    string `json:"vhost"`
}

// Vault is a Vault server, as a base URL, with a token that may read secret/.
type Vault struct {
	Address string `json:"address"`
	Token   Secret `json:"token"`
}

// MongoDB is a MongoDB server. Its URI holds the password, so all of it is a secret.
type MongoDB struct {
	URI      Secret `json:"uri"`
	Database string `json:"database"`
}

// Configuration is the whole file. Aggregation is how /health/all asks: sequential or concurrent.
type Configuration struct {
	Host        string    `json:"host"`
	Port        int       `json:"port"`
	Aggregation string    `json:"aggregation"`
	Vault       *Vault    `json:"vault"`
	Postgres    *Database `json:"postgres"`
	MySQL       *Database `json:"mysql"`
	MongoDB     *MongoDB  `json:"mongodb"`
	Redis       *Redis    `json:"redis"`
	RabbitMQ    *RabbitMQ `json:"rabbitmq"`
}

// Read gives the configuration in a file. Its errors name the place, never a value: it may be a password.
func Read(path string) (Configuration, error) {
	config := Configuration{Aggregation: "sequential"}
	content, err := os.ReadFile(path)
	if err != nil {
		return config, fmt.Errorf("%s cannot be read: %w", path, errors.Unwrap(err))
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	// An unknown name is a typing error.
	decoder.DisallowUnknownFields()
	problem := ""
	if err := decoder.Decode(&config); err != nil {
		problem = describe(err)
	} else if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		problem = "the file: expected JSON, found something after its end"
	} else {
		problem = strings.Join(config.missing(), ", ")
	}
	if problem != "" {
		return config, fmt.Errorf("%s is not a configuration of the reference API:\n  %s", path, problem)
	}
	if config.MongoDB != nil && config.MongoDB.Database == "" {
		config.MongoDB.Database = "test"
	}
	return config, nil
}

func describe(err error) string {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("%s: expected %s", wrong.Field, wrong.Type)
	}
	if strings.Contains(err.Error(), "unknown field") {
		return strings.TrimPrefix(err.Error(), "json: ")
	}
	return "the file: expected JSON, found something else"
}

// missing tells every value that must be there and is not, or is not one of those that it may be.
func (config Configuration) missing() []string {
	var found []string
	need := func(there bool, place string) {
		if !there {
			found = append(found, place+": required")
		}
	}
	need(config.Host != "", "host")
	need(config.Port != 0, "port")
	if config.Aggregation != "sequential" && config.Aggregation != "concurrent" {
		found = append(found, "aggregation: expected sequential or concurrent")
	}
	databases := map[string]*Database{"postgres": config.Postgres, "mysql": config.MySQL}
	for _, name := range []string{"postgres", "mysql"} {
		if it := databases[name]; it != nil {
			need(it.Host != "", name+".host")
			need(it.Port != 0, name+".port")
			need(it.User != "", name+".user")
			need(it.Database != "", name+".database")
		}
	}
	if it := config.Redis; it != nil {
		need(len(it.Nodes) > 0, "redis.nodes")
	}
	if it := config.RabbitMQ; it != nil {
		need(it.Host != "", "rabbitmq.host")
		need(it.Port != 0, "rabbitmq.port")
		need(it.User != "", "rabbitmq.user")
		need(it.VHost != "", "rabbitmq.vhost")
	}
	if it := config.Vault; it != nil {
		need(it.Address != "", "vault.address")
		need(it.Token != "", "vault.token")
	}
	if it := config.MongoDB; it != nil {
		need(it.URI != "", "mongodb.uri")
	}
	return found
}
