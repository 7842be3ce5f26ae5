// Package routes answers: which routes are there, and what does each do?
package routes

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"reference-api/dependencies"
)

// api is what the routes have in common.
type api struct {
	aggregation  string
	dependencies *dependencies.Opened
}

// New gives the application, over the dependencies that are configured.
func New(aggregation string, opened *dependencies.Opened) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(gin.Recovery())
	// A redirect from /health/ to /health would be measured as an answer.
	router.RedirectTrailingSlash = false
	router.HandleMethodNotAllowed = true
	router.NoRoute(func(c *gin.Context) { notFound(c, "there is no such route") })
	router.NoMethod(func(c *gin.Context) {
		answer(c, http.StatusMethodNotAllowed, refused{"method_not_allowed", "the route has other methods"})
	})

	api := &api{aggregation, opened}
	router.GET("/", api.getRoot)
	router.GET("/health", api.getHealth)
	router.GET("/health/all", api.getHealthAll)
	router.GET("/health/:dependency", api.getHealthOfDependency)

	examples := router.Group("/examples")
	examples.GET("/vault/secret/:name", named, api.getSecret)
	examples.GET("/database/postgres/query", api.queryPostgres)
	examples.GET("/database/mysql/query", api.queryMySQL)
	examples.GET("/database/mongodb/query", api.queryMongoDB)
	examples.GET("/cache/:name", named, api.getCached)
	examples.POST("/cache/:name", named, api.setCached)
	examples.DELETE("/cache/:name", named, api.deleteCached)
	examples.POST("/messaging/publish/:name", named, api.publish)
	examples.DELETE("/messaging/queue/:name", named, api.deleteQueue)
	return router
}
