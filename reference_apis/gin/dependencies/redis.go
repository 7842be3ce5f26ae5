package dependencies

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"reference-api/configuration"
)

// Redis is a client with a pool, of one node or a cluster. A broken connection is replaced once, at once; the
// caller is told after that.
type Redis struct {
	client redis.UniversalClient
}

func newRedis(settings configuration.Redis) (*Redis, error) {
	options := &redis.UniversalOptions{
		Addrs:                 settings.Nodes,
		IsClusterMode:         settings.Cluster,
		Password:              settings.Password.Reveal(),
		DialTimeout:           time.Second,
		ReadTimeout:           Deadline,
		WriteTimeout:          Deadline,
		PoolTimeout:           Deadline,
		PoolSize:              32,
		MaxRetries:            1,
		MinRetryBackoff:       -1,
		ContextTimeoutEnabled: true,
		// A hosted service's way of announcing its maintenance; a server that we asked would only refuse it.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if !settings.Cluster {
		// Of several nodes without a cluster the first is used.
		options.Addrs = settings.Nodes[:1]
	}
	return &Redis{redis.NewUniversalClient(options)}, nil
}

// Check asks every node of a cluster whether it is well, and one for its version.
func (cache *Redis) Check(ctx context.Context) (string, error) {
	if cluster, ok := cache.client.(*redis.ClusterClient); ok {
		err := cluster.ForEachShard(ctx, func(ctx context.Context, node *redis.Client) error {
			state, err := node.ClusterInfo(ctx).Result()
			if err == nil && !strings.Contains(state, "cluster_state:ok") {
				err = errors.New("a node says that the cluster is not well")
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	server, err := cache.client.Info(ctx, "server").Result()
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(server) {
		if version, found := strings.CutPrefix(line, "redis_version:"); found {
			return strings.TrimSpace(version), nil
		}
	}
	return "", fmt.Errorf("INFO server has no redis_version in its %d bytes", len(server))
}

// Get gives the value at a key, and whether there is one.
func (cache *Redis) Get(ctx context.Context, key string) (*string, error) {
	value, err := cache.client.Get(ctx, key).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return &value, err
}

// Set keeps a value, for that many seconds or, without them, for ever.
func (cache *Redis) Set(ctx context.Context, key, value string, ttl *int) error {
	var kept time.Duration
	if ttl != nil {
		kept = time.Duration(*ttl) * time.Second
	}
	return cache.client.Set(ctx, key, value, kept).Err()
}

// Delete removes a key; whether it had been there.
func (cache *Redis) Delete(ctx context.Context, key string) (bool, error) {
	removed, err := cache.client.Del(ctx, key).Result()
	return removed == 1, err
}

// Close ends every connection.
func (cache *Redis) Close() { _ = cache.client.Close() }
