import io.lettuce.core.ClientOptions;
import io.lettuce.core.RedisClient;
import io.lettuce.core.RedisURI;
import io.lettuce.core.SetArgs;
import io.lettuce.core.SocketOptions;
import io.lettuce.core.api.sync.RedisCommands;
import java.time.Duration;
import java.util.function.Supplier;

/**
 * Cache-aside with Lettuce over Larder's Unix socket.
 *
 * <p>Netty reaches Unix sockets through its native epoll transport: beside {@code io.lettuce:lettuce-core}, add
 * {@code io.netty:netty-transport-native-epoll} with the classifier {@code linux-x86_64} or {@code linux-aarch_64}.
 */
final class Cache {
    private Cache() {}

    /** A client of a database. Keep-alive is TCP's: asked of a Unix socket, netty logs warnings. */
    static RedisClient client(int database) {
        String socket = System.getenv().getOrDefault("LARDER_SOCKET", "/run/larder/larder.sock");
        RedisClient client = RedisClient.create(RedisURI.Builder.socket(socket).withDatabase(database).build());
        SocketOptions options = SocketOptions.builder().keepAlive(false).build();
        client.setOptions(ClientOptions.builder().socketOptions(options).build());
        return client;
    }

    /** The text kept under {@code key}, else what {@code load} gives, kept for {@code ttl}. */
    static String cached(RedisCommands<String, String> redis, String key, Duration ttl, Supplier<String> load) {
        String kept = redis.get(key);
        if (kept != null) {
            return kept;
        }
        String value = load.get();
        redis.set(key, value, SetArgs.Builder.ex(ttl));
        return value;
    }
}
