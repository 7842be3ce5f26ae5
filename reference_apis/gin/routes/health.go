package routes

import (
	"fmt"
	"math"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"reference-api/dependencies"
)

// getRoot says what is running here.
func (api *api) getRoot(c *gin.Context) {
	language := "Go " + strings.TrimPrefix(runtime.Version(), "go")
	answer(c, http.StatusOK, about{
		Name:        "reference-api",
		Framework:   "Gin",
		Version:     strings.TrimPrefix(gin.Version, "v"),
		Runtime:     language,
		Server:      language + ", net/http",
		Aggregation: api.aggregation,
	})
}

// getHealth says whether the API itself answers.
func (api *api) getHealth(c *gin.Context) {
	answer(c, http.StatusOK, health{"healthy"})
}

// getHealthAll asks every configured dependency, one after the other or all at once, as configured.
func (api *api) getHealthAll(c *gin.Context) {
	answers := make([]dependencyHealth, len(dependencies.Names))
	if api.aggregation == "concurrent" {
		var asking sync.WaitGroup
		for i, name := range dependencies.Names {
			asking.Go(func() { answers[i] = api.examine(name) })
		}
		asking.Wait()
	} else {
		for i, name := range dependencies.Names {
			answers[i] = api.examine(name)
		}
	}
	overall := overallHealth{"healthy", make(map[string]dependencyHealth, len(answers))}
	for i, name := range dependencies.Names {
		overall.Dependencies[name] = answers[i]
		if answers[i].Status == "unhealthy" {
			overall.Status = "degraded"
		}
	}
	answer(c, http.StatusOK, overall)
}

// getHealthOfDependency asks one dependency.
func (api *api) getHealthOfDependency(c *gin.Context) {
	name := c.Param("dependency")
	if !slices.Contains(dependencies.Names, name) {
		there := strings.Join(dependencies.Names, ", ")
		notFound(c, fmt.Sprintf("no dependency is called %s; there are %s", name, there))
		return
	}
	found, err := api.ask(name)
	answerOr(c, err, found)
}

// examine gives the health of a dependency, whatever it is: absent and unhealthy are answers too.
func (api *api) examine(name string) dependencyHealth {
	if _, err := api.dependencies.Get(name); err != nil {
		return dependencyHealth{Status: "absent"}
	}
	begin := time.Now()
	found, err := api.ask(name)
	if err != nil {
		return dependencyHealth{Status: "unhealthy", LatencyMS: millisecondsSince(begin), Error: err.Error()}
	}
	return found
}

func (api *api) ask(name string) (dependencyHealth, error) {
	dependency, err := api.dependencies.Get(name)
	if err != nil {
		return dependencyHealth{}, err
	}
	begin := time.Now()
	version, err := dependencies.Ask(name, dependency.Check)
	return dependencyHealth{Status: "healthy", LatencyMS: millisecondsSince(begin), Version: version}, err
}

// millisecondsSince says how long ago that was, to the microsecond.
func millisecondsSince(begin time.Time) float64 {
	return math.Round(float64(time.Since(begin).Nanoseconds())/1e3) / 1e3
}
