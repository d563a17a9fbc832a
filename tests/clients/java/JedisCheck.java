import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import redis.clients.jedis.AbstractTransaction;
import redis.clients.jedis.ConnectionPoolConfig;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.Pipeline;
import redis.clients.jedis.RedisClient;
import redis.clients.jedis.RedisProtocol;
import redis.clients.jedis.Response;
import redis.clients.jedis.exceptions.JedisConnectionException;
import redis.clients.jedis.exceptions.JedisDataException;
import redis.clients.jedis.params.ClientKillParams;
import redis.clients.jedis.params.ScanParams;
import redis.clients.jedis.params.SetParams;
import redis.clients.jedis.resps.ScanResult;

/** Jedis in both protocols over TCP, which is all it has: its pooled client, then its single connection. */
final class JedisCheck {
    private static final int DATABASE = 14;
    private final HostAndPort server = HostAndPort.from(System.getenv("LARDER_TCP"));
    private final Checks checks = new Checks("jedis");

    public static void main(String[] args) throws Exception {
        JedisCheck check = new JedisCheck();
        for (RedisProtocol protocol : List.of(RedisProtocol.RESP2, RedisProtocol.RESP3)) {
            var config = DefaultJedisClientConfig.builder().protocol(protocol).database(DATABASE).clientName("jedis").build();
            check.pooled(protocol + ", pooled: ", config);
            check.single(protocol + ", single: ", config);
        }
        check.checks.done();
    }

    private void pooled(String told, DefaultJedisClientConfig config) throws Exception {
        var four = new ConnectionPoolConfig();
        four.setMaxTotal(4);
        try (RedisClient redis = RedisClient.builder().hostAndPort(server).clientConfig(config).poolConfig(four).build()) {
            checks.equal(told + "PING", redis.ping(), "PONG");
            redis.flushDB();
            checks.equal(told + "a miss", redis.get("none"), null);
            checks.equal(told + "SET", redis.set("k", "ü", SetParams.setParams().ex(60)), "OK");
            checks.equal(told + "a hit", redis.get("k"), "ü");
            checks.equal(told + "TTL", redis.ttl("k") >= 58 && redis.ttl("k") <= 60, true);
            checks.equal(told + "SET NX on a key that is there", redis.set("k", "x", SetParams.setParams().nx()), null);
            checks.equal(told + "SET GET", redis.setGet("k", "y"), "ü");
            checks.equal(told + "GETDEL", redis.getDel("k"), "y");
            byte[] key = {0, -1, '\r', '\n'};
            redis.set(key, Checks.megabyte());
            checks.equal(told + "1 MB of bytes", redis.get(key), Checks.megabyte());
            checks.equal(told + "MSET", redis.mset("a", "1", "b", "2"), "OK");
            checks.equal(told + "MGET", redis.mget("none", "b"), Arrays.asList(null, "2"));
            checks.equal(told + "INCRBY", redis.incrBy("n", 41) + redis.incr("n"), 83L);
            checks.equal(told + "INCRBYFLOAT", redis.incrByFloat("f", 0.5), 0.5);
            checks.equal(told + "DEL, EXISTS", redis.del("a", "c") + redis.exists("a", "b"), 2L);
            checks.expires(told + "400 ms", () -> redis.set("brief", "x", SetParams.setParams().px(400)), () -> redis.exists("brief"), 400);

            try (Pipeline pipeline = redis.pipelined()) {
                for (int i = 0; i < 1000; i++) {
                    pipeline.set("scan:" + i, Integer.toString(i));
                }
                Response<Long> counted = pipeline.incr("scan:7");
                pipeline.sync();
                checks.equal(told + "a pipeline of 1,001", counted.get(), 8L);
            }
            Set<String> found = new HashSet<>();
            String cursor = ScanParams.SCAN_POINTER_START;
            do {
                ScanResult<String> page = redis.scan(cursor, new ScanParams().match("scan:*").count(50));
                found.addAll(page.getResult());
                cursor = page.getCursor();
            } while (!cursor.equals(ScanParams.SCAN_POINTER_START));
            checks.equal(told + "SCAN", found.size(), 1000);

            try (AbstractTransaction transaction = redis.multi()) {
                transaction.set("t", "5");
                transaction.incr("t");
                transaction.get("none");
                checks.equal(told + "MULTI/EXEC", transaction.exec(), Arrays.asList("OK", 6L, null));
            }
            try (AbstractTransaction transaction = redis.transaction(false)) {
                transaction.watch("t");
                redis.set("t", "theirs");
                transaction.multi();
                transaction.set("t", "mine");
                checks.equal(told + "WATCH sees the other's write", transaction.exec(), null);
            }

            Class<JedisDataException> refused = JedisDataException.class;
            checks.fails(told + "not an integer", () -> redis.incr("t"), refused, "ERR value is not an integer or out of range");
            checks.fails(told + "a bad TTL", () -> redis.set("t", "x", SetParams.setParams().ex(0)), refused, "ERR invalid expire time in 'set' command");
            checks.fails(told + "wrong number", () -> raw(redis, "GET"), refused, "ERR wrong number of arguments");
            checks.fails(told + "an unknown command", () -> raw(redis, "NOSUCHCOMMAND"), refused, "ERR unknown command");
            checks.equal(told + "INFO", redis.info("server").contains("redis_version:7."), true);
        }
    }

    /** Sends a command without arguments, whatever it is. */
    private static Object raw(RedisClient redis, String name) {
        return redis.sendCommand(() -> name.getBytes(StandardCharsets.US_ASCII));
    }

    private void single(String told, DefaultJedisClientConfig config) {
        try (Jedis killer = new Jedis(server, config)) {
            Jedis redis = new Jedis(server, config);
            checks.equal(told + "its name", redis.clientGetname(), "jedis");
            checks.equal(told + "its database", redis.get("t"), "theirs");
            checks.equal(told + "SELECT", redis.select(0), "OK");
            checks.equal(told + "CONFIG GET", redis.configGet("maxmemory-policy").keySet(), Map.of("maxmemory-policy", "").keySet());
            String id = Long.toString(redis.clientId());
            checks.equal(told + "CLIENT KILL", killer.clientKill(new ClientKillParams().id(id)), 1L);
            checks.fails(told + "a killed connection says so", redis::ping, JedisConnectionException.class, "");
            killer.flushDB();
            checks.equal(told + "FLUSHDB", killer.dbSize(), 0L);
            redis.close();
        }
    }
}
