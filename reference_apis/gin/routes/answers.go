package routes

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"reference-api/dependencies"
)

// What each route answers: the schemas of openapi.yaml.
type (
	about struct {
		Name        string `json:"name"`
		Framework   string `json:"framework"`
		Version     string `json:"version"`
		Runtime     string `json:"runtime"`
		Server      string `json:"server"`
		Aggregation string `json:"aggregation"`
	}
	health struct {
		Status string `json:"status"`
	}
	dependencyHealth struct {
		Status    string  `json:"status"`
		LatencyMS float64 `json:"latency_ms"`
		Version   string  `json:"version,omitempty"`
		Error     string  `json:"error,omitempty"`
	}
	overallHealth struct {
		Status       string                      `json:"status"`
		Dependencies map[string]dependencyHealth `json:"dependencies"`
	}
	unavailable struct {
		Status string `json:"status"`
		Reason string `json:"reason"`
		Error  string `json:"error"`
	}
	refused struct {
		Status string `json:"status"`
		Error  string `json:"error"`
	}
	queryResult struct {
		Database string `json:"database"`
		Query    string `json:"query"`
		Result   any    `json:"result"`
	}
	cached struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	cacheStored struct {
		Key    string `json:"key"`
		Stored bool   `json:"stored"`
		TTL    *int   `json:"ttl"`
	}
	cacheDeleted struct {
		Key     string `json:"key"`
		Deleted bool   `json:"deleted"`
	}
	published struct {
		Queue     string `json:"queue"`
		Published bool   `json:"published"`
	}
	queueDeleted struct {
		Queue    string `json:"queue"`
		Messages int    `json:"messages"`
	}
)

// answer sends a whole body at once. The length is said here: net/http knows it only of small bodies, and would
// send large ones in chunks.
func answer(c *gin.Context, status int, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		// A value of ours that is no JSON is a mistake in this program.
		panic(err)
	}
	c.Header("Content-Length", strconv.Itoa(len(encoded)))
	c.Data(status, "application/json", encoded)
}

// answerOr sends the body, or why there is none.
func answerOr(c *gin.Context, err error, body any) {
	if why, ok := errors.AsType[*dependencies.Unavailable](err); ok {
		answer(c, http.StatusServiceUnavailable, unavailable{"unavailable", why.Reason, why.Cause})
		return
	}
	answer(c, http.StatusOK, body)
}

func notFound(c *gin.Context, why string) {
	answer(c, http.StatusNotFound, refused{"not_found", why})
}

func invalid(c *gin.Context, why string) {
	answer(c, http.StatusUnprocessableEntity, refused{"invalid", why})
}
