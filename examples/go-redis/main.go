// Checks go-redis in both protocols: the example, pipelines, transactions, errors and a killed connection.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

var count int

// equal holds if got is deeply want; it ends the program if not.
func equal(what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		fmt.Fprintf(os.Stderr, "FAILED: go-redis: %s: got %.200s, want %.200s\n", what, fmt.Sprint(got), fmt.Sprint(want))
		os.Exit(1)
	}
	count++
}

// fails holds if err's text has the words of text in it.
func fails(what string, err error, text string) {
	equal(fmt.Sprintf("%s: %v has %q in it", what, err, text), err != nil && strings.Contains(err.Error(), text), true)
}

// expires holds if what store stored is there at once and gone after ttl, not much sooner.
func expires(what string, store func(), there func() bool, ttl time.Duration) {
	started := time.Now()
	store()
	equal(what+": there at first", there(), true)
	for there() {
		if time.Since(started) > ttl+2*time.Second {
			equal(what+": two seconds late", "there", "gone")
		}
		time.Sleep(5 * time.Millisecond)
	}
	// A millisecond of rounding is the server's to give away.
	equal(what+": not early", time.Since(started) >= ttl-2*time.Millisecond, true)
}

type user struct {
	ID   int
	Name string
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for _, protocol := range []int{3, 2} {
		check(ctx, fmt.Sprintf("RESP%d: ", protocol), func() *redis.Options {
			options := Options(10)
			options.Protocol = protocol
			return options
		})
	}
	fmt.Printf("ok: go-redis %s (%d checks)\n", redis.Version(), count)
}

func check(ctx context.Context, told string, options func() *redis.Options) {
	client := redis.NewClient(options())
	defer client.Close()
	equal(told+"PING", client.Ping(ctx).Val(), "PONG")
	equal(told+"FLUSHDB", client.FlushDB(ctx).Err(), nil)

	loads := 0
	load := func() (user, error) { loads++; return user{7, "Ada"}, nil }
	for _, what := range []string{"a miss loads", "a hit does not"} {
		got, err := Cached(ctx, client, "user:7", time.Minute, load)
		equal(told+what, []any{got, err, loads}, []any{user{7, "Ada"}, nil, 1})
	}
	ttl := client.TTL(ctx, "user:7").Val()
	equal(told+"the TTL is set", ttl >= 58*time.Second && ttl <= time.Minute, true)
	equal(told+"a miss is redis.Nil", client.Get(ctx, "none").Err(), redis.Nil)
	equal(told+"TTL of no key", client.TTL(ctx, "none").Val(), time.Duration(-2))

	binary := bytes.Repeat([]byte{0, 255, '\r', '\n'}, 1<<18)
	equal(told+"SET 1 MB", client.Set(ctx, "\x00mb\xff", binary, 0).Err(), nil)
	got, _ := client.Get(ctx, "\x00mb\xff").Bytes()
	equal(told+"1 MB of bytes", bytes.Equal(got, binary), true)
	equal(told+"SETNX on a key that is there", client.SetNX(ctx, "user:7", "x", 0).Val(), false)
	equal(told+"SETNX with a TTL", client.SetNX(ctx, "new", "x", time.Minute).Val(), true)
	equal(told+"GETDEL", client.GetDel(ctx, "new").Val(), "x")
	equal(told+"MSET", client.MSet(ctx, "a", 1, "b", "two").Err(), nil)
	equal(told+"MGET", client.MGet(ctx, "a", "none", "b").Val(), []any{"1", nil, "two"})
	equal(told+"INCRBY", client.IncrBy(ctx, "n", 41).Val()+client.Incr(ctx, "n").Val(), int64(83))
	equal(told+"INCRBYFLOAT", client.IncrByFloat(ctx, "f", 0.5).Val(), 0.5)
	equal(told+"EXPIRE XX without a TTL", client.ExpireXX(ctx, "n", time.Minute).Val(), false)
	equal(told+"SETRANGE, GETRANGE", []any{client.SetRange(ctx, "r", 2, "xy").Val(), client.GetRange(ctx, "r", 0, -1).Val()}, []any{int64(4), "\x00\x00xy"})
	expires(told+"a 400 ms TTL",
		func() { client.Set(ctx, "brief", "x", 400*time.Millisecond) },
		func() bool { return client.Get(ctx, "brief").Err() == nil }, 400*time.Millisecond)

	commands, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i := range 1000 {
			pipe.Set(ctx, fmt.Sprintf("scan:%d", i), i, 0)
		}
		pipe.Incr(ctx, "scan:1")
		return nil
	})
	equal(told+"a pipeline", []any{len(commands), err, commands[1000].(*redis.IntCmd).Val()}, []any{1001, nil, int64(2)})
	commands, err = client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Set(ctx, "t", 5, 0)
		pipe.Incr(ctx, "t")
		return nil
	})
	equal(told+"MULTI/EXEC", []any{err, commands[1].(*redis.IntCmd).Val()}, []any{nil, int64(6)})
	commands, err = client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		pipe.Set(ctx, "w", "word", 0)
		pipe.Incr(ctx, "w")
		pipe.Get(ctx, "w")
		return nil
	})
	fails(told+"an error inside EXEC", err, "ERR value is not an integer")
	equal(told+"leaves the rest", commands[2].(*redis.StringCmd).Val(), "word")
	err = client.Watch(ctx, func(tx *redis.Tx) error {
		client.Set(ctx, "t", "theirs", 0)
		_, err := tx.TxPipelined(ctx, func(pipe redis.Pipeliner) error { return pipe.Set(ctx, "t", "mine", 0).Err() })
		return err
	}, "t")
	equal(told+"WATCH sees the other's write", errors.Is(err, redis.TxFailedErr), true)

	found := map[string]bool{}
	keys := client.Scan(ctx, 0, "scan:*", 50).Iterator()
	for keys.Next(ctx) {
		found[keys.Val()] = true
	}
	equal(told+"SCAN", []any{len(found), keys.Err()}, []any{1000, nil})
	equal(told+"DBSIZE", client.DBSize(ctx).Val() > 1000, true)
	fails(told+"not an integer", client.Incr(ctx, "w").Err(), "ERR value is not an integer or out of range")
	fails(told+"wrong number of arguments", client.Do(ctx, "GET").Err(), "wrong number of arguments")
	fails(told+"an unknown command", client.Do(ctx, "NOSUCHCOMMAND", "x").Err(), "ERR unknown command")
	equal(told+"INFO", client.InfoMap(ctx, "server").Item("Server", "redis_version")[:2], "7.")

	var together sync.WaitGroup
	for range 50 {
		together.Go(func() { client.Incr(ctx, "together") })
	}
	together.Wait()
	equal(told+"50 at once", client.Get(ctx, "together").Val(), "50")

	named := options()
	named.ClientName, named.PoolSize = "victim", 1
	victim := redis.NewClient(named)
	defer victim.Close()
	id := victim.ClientID(ctx).Val()
	equal(told+"its name", victim.ClientGetName(ctx).Val(), "victim")
	equal(told+"CLIENT KILL", client.ClientKillByFilter(ctx, "ID", fmt.Sprint(id)).Val(), int64(1))
	equal(told+"the next command reconnects", victim.Get(ctx, "t").Val(), "theirs")
	equal(told+"on a new connection", victim.ClientID(ctx).Val() != id, true)
	equal(told+"FLUSHDB", client.FlushDB(ctx).Val(), "OK")
}
