// Cache-aside with go-redis over Larder's Unix socket.
//
//	go get github.com/redis/go-redis/v9
package main

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

// Options reach database db of the Larder in this pod. A path as the address is a Unix socket.
func Options(db int) *redis.Options {
	socket := os.Getenv("LARDER_SOCKET")
	if socket == "" {
		socket = "/run/larder/larder.sock"
	}
	return &redis.Options{Network: "unix", Addr: socket, DB: db}
}

// Cached gives the value kept under key, else what load gives, kept for ttl.
// An error of the cache is a miss: the source answers then.
func Cached[T any](ctx context.Context, client *redis.Client, key string, ttl time.Duration, load func() (T, error)) (T, error) {
	var value T
	kept, err := client.Get(ctx, key).Bytes()
	if err == nil && json.Unmarshal(kept, &value) == nil {
		return value, nil
	}
	value, err = load()
	if err != nil {
		return value, err
	}
	if encoded, err := json.Marshal(value); err == nil {
		client.Set(ctx, key, encoded, ttl)
	}
	return value, nil
}
