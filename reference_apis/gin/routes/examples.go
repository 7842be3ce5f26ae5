package routes

import (
	"context"

	"github.com/gin-gonic/gin"

	"reference-api/dependencies"
)

// getSecret reads a service's secret from Vault.
func (api *api) getSecret(c *gin.Context) {
	name, vault := c.Param("name"), api.dependencies.Vault
	if vault == nil {
		answerOr(c, dependencies.Absent("vault"), nil)
		return
	}
	found, err := dependencies.Ask("vault", func(ctx context.Context) (*dependencies.Secret, error) {
		return vault.Read(ctx, name)
	})
	if err == nil && found == nil {
		notFound(c, "Vault has no secret for "+name)
		return
	}
	answerOr(c, err, found)
}

// queryPostgres runs a small query on PostgreSQL.
func (api *api) queryPostgres(c *gin.Context) {
	postgres := api.dependencies.Postgres
	if postgres == nil {
		answerOr(c, dependencies.Absent("postgres"), nil)
		return
	}
	row, err := dependencies.Ask("postgres", postgres.AskExample)
	answerOr(c, err, queryResult{"postgres", dependencies.PostgresQuery, row})
}

// queryMySQL runs a small query on MySQL.
func (api *api) queryMySQL(c *gin.Context) {
	mysql := api.dependencies.MySQL
	if mysql == nil {
		answerOr(c, dependencies.Absent("mysql"), nil)
		return
	}
	row, err := dependencies.Ask("mysql", mysql.AskExample)
	answerOr(c, err, queryResult{"mysql", dependencies.MySQLQuery, row})
}

// queryMongoDB runs a small query on MongoDB.
func (api *api) queryMongoDB(c *gin.Context) {
	mongodb := api.dependencies.MongoDB
	if mongodb == nil {
		answerOr(c, dependencies.Absent("mongodb"), nil)
		return
	}
	names, err := dependencies.Ask("mongodb", mongodb.AskExample)
	answerOr(c, err, queryResult{"mongodb", dependencies.MongoDBQuery, names})
}

// getCached reads a value from the cache.
func (api *api) getCached(c *gin.Context) {
	key, redis := c.Param("name"), api.dependencies.Redis
	if redis == nil {
		answerOr(c, dependencies.Absent("redis"), nil)
		return
	}
	value, err := dependencies.Ask("redis", func(ctx context.Context) (*string, error) {
		return redis.Get(ctx, key)
	})
	switch {
	case err != nil:
		answerOr(c, err, nil)
	case value == nil:
		notFound(c, "the cache has no "+key)
	default:
		answerOr(c, nil, cached{key, *value})
	}
}

// setCached writes a value into the cache.
func (api *api) setCached(c *gin.Context) {
	body, err := readCacheValue(c)
	if err != nil {
		invalid(c, err.Error())
		return
	}
	key, redis := c.Param("name"), api.dependencies.Redis
	if redis == nil {
		answerOr(c, dependencies.Absent("redis"), nil)
		return
	}
	_, err = dependencies.Ask("redis", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, redis.Set(ctx, key, body.value, body.ttl)
	})
	answerOr(c, err, cacheStored{key, true, body.ttl})
}

// deleteCached removes a value from the cache.
func (api *api) deleteCached(c *gin.Context) {
	key, redis := c.Param("name"), api.dependencies.Redis
	if redis == nil {
		answerOr(c, dependencies.Absent("redis"), nil)
		return
	}
	deleted, err := dependencies.Ask("redis", func(ctx context.Context) (bool, error) {
		return redis.Delete(ctx, key)
	})
	answerOr(c, err, cacheDeleted{key, deleted})
}

// publish publishes a persistent message to a durable queue, and waits for the broker's confirmation.
func (api *api) publish(c *gin.Context) {
	message, err := readMessage(c)
	if err != nil {
		invalid(c, err.Error())
		return
	}
	queue, rabbitmq := c.Param("name"), api.dependencies.RabbitMQ
	if rabbitmq == nil {
		answerOr(c, dependencies.Absent("rabbitmq"), nil)
		return
	}
	_, err = dependencies.Ask("rabbitmq", func(ctx context.Context) (struct{}, error) {
		return struct{}{}, rabbitmq.Publish(ctx, queue, message)
	})
	answerOr(c, err, published{queue, true})
}

// deleteQueue removes a queue with everything in it.
func (api *api) deleteQueue(c *gin.Context) {
	queue, rabbitmq := c.Param("name"), api.dependencies.RabbitMQ
	if rabbitmq == nil {
		answerOr(c, dependencies.Absent("rabbitmq"), nil)
		return
	}
	messages, err := dependencies.Ask("rabbitmq", func(ctx context.Context) (int, error) {
		return rabbitmq.Delete(ctx, queue)
	})
	answerOr(c, err, queueDeleted{queue, messages})
}
