import io.lettuce.core.KeyScanCursor;
import io.lettuce.core.KillArgs;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisCommandExecutionException;
import io.lettuce.core.RedisFuture;
import io.lettuce.core.ScanArgs;
import io.lettuce.core.SetArgs;
import io.lettuce.core.TransactionResult;
import io.lettuce.core.api.StatefulRedisConnection;
import io.lettuce.core.api.sync.RedisCommands;
import io.lettuce.core.codec.ByteArrayCodec;
import io.lettuce.core.output.StatusOutput;
import io.lettuce.core.protocol.CommandArgs;
import io.lettuce.core.codec.StringCodec;
import io.lettuce.core.protocol.ProtocolKeyword;
import io.lettuce.core.protocol.ProtocolVersion;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** Lettuce in both protocols over the Unix socket: the example, futures, transactions, errors, a killed connection. */
final class LettuceCheck {
    private static final int DATABASE = 13;
    private final Checks checks = new Checks("lettuce");

    public static void main(String[] args) throws Exception {
        LettuceCheck check = new LettuceCheck();
        for (ProtocolVersion version : List.of(ProtocolVersion.RESP2, ProtocolVersion.RESP3)) {
            check.run(version);
        }
        check.checks.done();
        System.exit(0);
    }

    private void run(ProtocolVersion version) throws Exception {
        String told = version + ": ";
        RedisClient client = Cache.client(DATABASE);
        client.setOptions(client.getOptions().mutate().protocolVersion(version).build());
        StatefulRedisConnection<String, String> connection = client.connect();
        RedisCommands<String, String> redis = connection.sync();
        checks.equal(told + "PING", redis.ping(), "PONG");
        redis.flushdb();

        int[] loads = {0};
        for (String what : List.of("a miss loads", "a hit does not")) {
            String got = Cache.cached(redis, "user:7", Duration.ofMinutes(1), () -> "Ada" + ++loads[0]);
            checks.equal(told + what, got, "Ada1");
        }
        long ttl = redis.ttl("user:7");
        checks.equal(told + "the TTL is set", ttl >= 58 && ttl <= 60, true);
        checks.equal(told + "SET NX on a key that is there", redis.set("user:7", "x", SetArgs.Builder.nx()), null);
        checks.equal(told + "SET GET", redis.setGet("user:7", "ü"), "Ada1");
        checks.equal(told + "GETDEL", redis.getdel("user:7"), "ü");
        checks.equal(told + "MSET", redis.mset(Map.of("a", "1", "b", "2")), "OK");
        checks.equal(told + "MGET", redis.mget("a", "none", "b").stream().map(each -> each.getValueOrElse(null)).toList().toString(), "[1, null, 2]");
        checks.equal(told + "INCRBY", redis.incrby("n", 41) + redis.incr("n"), 83L);
        checks.equal(told + "INCRBYFLOAT", redis.incrbyfloat("f", 0.5), 0.5);
        checks.equal(told + "DEL, EXISTS", redis.del("a", "c") + redis.exists("a", "b"), 2L);
        checks.expires(told + "400 ms", () -> redis.set("brief", "x", SetArgs.Builder.px(400)), () -> redis.get("brief") != null, 400);

        StatefulRedisConnection<byte[], byte[]> bytes = client.connect(ByteArrayCodec.INSTANCE);
        byte[] key = {0, -1, '\r', '\n'};
        bytes.sync().set(key, Checks.megabyte());
        checks.equal(told + "1 MB of bytes", bytes.sync().get(key), Checks.megabyte());

        connection.setAutoFlushCommands(false);
        List<RedisFuture<String>> replies = new ArrayList<>();
        for (int i = 0; i < 1000; i++) {
            replies.add(connection.async().set("scan:" + i, "x"));
        }
        connection.flushCommands();
        connection.setAutoFlushCommands(true);
        for (RedisFuture<String> reply : replies) {
            if (!"OK".equals(reply.get(5, TimeUnit.SECONDS))) {
                checks.equal(told + "1,000 commands in one write", reply.get(), "OK");
            }
        }
        Set<String> found = new HashSet<>();
        KeyScanCursor<String> cursor = redis.scan(ScanArgs.Builder.matches("scan:*").limit(50));
        found.addAll(cursor.getKeys());
        while (!cursor.isFinished()) {
            cursor = redis.scan(cursor, ScanArgs.Builder.matches("scan:*").limit(50));
            found.addAll(cursor.getKeys());
        }
        checks.equal(told + "SCAN finds what 1,000 commands in one write set", found.size(), 1000);

        redis.multi();
        redis.set("t", "5");
        redis.incr("t");
        redis.get("none");
        TransactionResult result = redis.exec();
        checks.equal(told + "MULTI/EXEC", result.get(0) + " " + result.get(1) + " " + result.get(2), "OK 6 null");
        StatefulRedisConnection<String, String> other = client.connect();
        redis.watch("t");
        other.sync().set("t", "theirs");
        redis.multi();
        redis.set("t", "mine");
        checks.equal(told + "WATCH sees the other's write", redis.exec().wasDiscarded(), true);

        Class<RedisCommandExecutionException> refused = RedisCommandExecutionException.class;
        checks.fails(told + "not an integer", () -> redis.incr("t"), refused, "ERR value is not an integer or out of range");
        checks.fails(told + "a bad TTL", () -> redis.set("t", "x", SetArgs.Builder.ex(0)), refused, "ERR invalid expire time in 'set' command");
        checks.fails(told + "wrong number", () -> raw(redis, "GET"), refused, "ERR wrong number of arguments");
        checks.fails(told + "an unknown command", () -> raw(redis, "NOSUCHCOMMAND"), refused, "ERR unknown command");
        checks.equal(told + "INFO", redis.info("server").contains("redis_version:7."), true);

        long id = redis.clientId();
        checks.equal(told + "CLIENT KILL", other.sync().clientKill(KillArgs.Builder.id(id)), 1L);
        checks.equal(told + "the next command reconnects", redis.get("t"), "theirs");
        checks.equal(told + "on a new connection", redis.clientId() != id, true);
        redis.flushdb();
        client.shutdown(Duration.ZERO, Duration.ofSeconds(2));
    }

    /** Sends a command without arguments, whatever it is. */
    private static String raw(RedisCommands<String, String> redis, String name) {
        ProtocolKeyword keyword =
                new ProtocolKeyword() {
                    @Override
                    public byte[] getBytes() {
                        return name.getBytes(StandardCharsets.US_ASCII);
                    }

                    @Override
                    public String toString() {
                        return name;
                    }
                };
        return redis.dispatch(keyword, new StatusOutput<>(StringCodec.UTF8), new CommandArgs<>(StringCodec.UTF8));
    }
}
