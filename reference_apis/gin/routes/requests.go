package routes

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"unicode/utf8"

	"github.com/gin-gonic/gin"
)

const (
	longestName      = 200
	longestValue     = 10_000
	longestTTL       = 86_400
	largestBodyBytes = 16 << 20
)

var validName = regexp.MustCompile(`^[a-zA-Z0-9_.:-]+$`)

// named lets a request on to its handler if the name in its path is one.
func named(c *gin.Context) {
	name := c.Param("name")
	if len(name) > longestName || !validName.MatchString(name) {
		invalid(c, "a name has 1 to 200 letters, digits, _ . : and -")
		c.Abort()
	}
}

type cacheValue struct {
	value string
	ttl   *int
}

// readCacheValue reads what is to be kept, and for how many seconds (nil: for ever).
func readCacheValue(c *gin.Context) (cacheValue, error) {
	var read cacheValue
	fields, err := readFields(c)
	if err != nil {
		return read, err
	}
	// A pointer, since null leaves a string as it is.
	var value *string
	if json.Unmarshal(fields["value"], &value) != nil || value == nil {
		return read, errors.New("value: expected a string")
	}
	if utf8.RuneCountInString(*value) > longestValue {
		return read, errors.New("value: expected at most 10000 characters")
	}
	read.value = *value
	if ttl, there := fields["ttl"]; there {
		if json.Unmarshal(ttl, &read.ttl) != nil {
			return read, errors.New("ttl: expected an integer or null")
		}
		if read.ttl != nil && (*read.ttl < 1 || *read.ttl > longestTTL) {
			return read, errors.New("ttl: expected 1 to 86400 seconds")
		}
	}
	return read, nil
}

// readMessage reads what is to be published: any JSON value, as it was written.
func readMessage(c *gin.Context) (json.RawMessage, error) {
	fields, err := readFields(c)
	if err != nil {
		return nil, err
	}
	message, there := fields["message"]
	if !there {
		return nil, errors.New("message: required")
	}
	return message, nil
}

// readFields reads the JSON object in a request's body. Not into a struct: there encoding/json would take "Value"
// for "value".
func readFields(c *gin.Context) (map[string]json.RawMessage, error) {
	if c.ContentType() != "application/json" {
		return nil, errors.New("expected a body of the type application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, largestBodyBytes))
	if err != nil {
		return nil, errors.New("expected a whole body of at most 16 MiB")
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || fields == nil {
		return nil, errors.New("expected a JSON object")
	}
	return fields, nil
}
