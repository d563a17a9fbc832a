import java.util.Arrays;
import java.util.Objects;
import java.util.function.BooleanSupplier;

/** What both Java client checks use: it counts what held, and the first thing that did not ends the program. */
final class Checks {
    private final String name;
    private int count;

    Checks(String name) {
        this.name = name;
        Thread.currentThread().setUncaughtExceptionHandler((thread, error) -> {
            error.printStackTrace();
            fail("after " + count + " checks", error.toString());
        });
    }

    /** Holds if {@code got} equals {@code want}. */
    void equal(String what, Object got, Object want) {
        if (!Objects.deepEquals(got, want)) {
            fail(what, "got " + shown(got) + ", want " + shown(want));
        }
        count++;
    }

    /** Holds if {@code call} throws {@code kind} with {@code text} in its message. */
    void fails(String what, Runnable call, Class<? extends Exception> kind, String text) {
        try {
            call.run();
        } catch (RuntimeException error) {
            if (!kind.isInstance(error) || !String.valueOf(error.getMessage()).contains(text)) {
                fail(what, error + ", want " + kind.getSimpleName() + " with '" + text + "'");
            }
            count++;
            return;
        }
        fail(what, "no error, want " + kind.getSimpleName() + " with '" + text + "'");
    }

    /** Holds if what {@code store} stored is there at once and gone after {@code ttlMillis}, not much sooner. */
    void expires(String what, Runnable store, BooleanSupplier there, long ttlMillis) throws InterruptedException {
        long started = System.nanoTime();
        store.run();
        equal(what + ": there at first", there.getAsBoolean(), true);
        while (there.getAsBoolean()) {
            if (millisSince(started) > ttlMillis + 2000) {
                fail(what, "still there 2 s after its " + ttlMillis + " ms were over");
            }
            Thread.sleep(5);
        }
        // A millisecond of rounding is the server's to give away.
        long lived = millisSince(started);
        equal(what + ": lived " + lived + " ms of " + ttlMillis + " ms", lived >= ttlMillis - 2, true);
    }

    private static long millisSince(long started) {
        return (System.nanoTime() - started) / 1_000_000;
    }

    /** Prints the closing line. */
    void done() {
        System.out.println("ok: " + name + " (" + count + " checks)");
    }

    private void fail(String what, String how) {
        System.err.println("FAILED: " + name + ": " + what + ": " + how);
        System.exit(1);
    }

    private static String shown(Object value) {
        String text = value instanceof byte[] bytes ? Arrays.toString(bytes) : String.valueOf(value);
        return text.length() <= 200 ? text : text.substring(0, 200) + "...";
    }

    /** Bytes of every value, CRLF among them, repeated to 1 MiB. */
    static byte[] megabyte() {
        byte[] bytes = new byte[1 << 20];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) (i * 7);
        }
        return bytes;
    }
}
