package resident;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.MessageDigest;
import org.apache.kafka.common.utils.Exit;

/**
 * Runs the programs of tests/java/run, many at the same time, each as if it had its own JVM. Starting
 * a JVM takes longer than most programs.
 * A request has these fields, each with a NUL byte at its end: token, process id of the client, jar
 * with the programs, KAFKA_BOOTSTRAP_SERVERS of the client, number of arguments, class, arguments.
 * The answer is the exit code and a line feed, sent after all output is written. A closed connection
 * without an answer means that this server failed. A client that closes the connection earlier ends
 * its program.
 */
public final class Resident {
    private static final int LONGEST_TOKEN = 100;
    private static final int MILLISECONDS_FOR_A_REQUEST = 30_000;

    private Resident() {}

    /** For programs: KAFKA_BOOTSTRAP_SERVERS in the environment of the caller. */
    public static String bootstrapServers() {
        Request request = Request.current();
        return request == null ? System.getenv("KAFKA_BOOTSTRAP_SERVERS") : request.bootstrapServers;
    }

    public static void main(String[] arguments) throws IOException {
        byte[] token = System.getenv("TEST_KAFKA_JUDGE_TOKEN").getBytes(StandardCharsets.UTF_8);
        Streams.install();
        Exit.setExitProcedure((code, message) -> Request.exitCurrent(code, true));
        Exit.setHaltProcedure((code, message) -> Request.exitCurrent(code, false));
        Exit.setShutdownHookAdder((name, hook) -> Request.current().shutdownHooks.add(hook));
        try (var listener = new ServerSocket(0, 1000, InetAddress.getByName("127.0.0.1"))) {
            System.out.println("listening on " + listener.getLocalPort());
            while (true) {
                Socket client = listener.accept();
                new Thread(() -> serve(client, token), "client").start();
            }
        }
    }

    private static void serve(Socket client, byte[] token) {
        try (client) {
            client.setSoTimeout(MILLISECONDS_FOR_A_REQUEST);
            var in = new BufferedInputStream(client.getInputStream());
            if (!MessageDigest.isEqual(token, field(in, LONGEST_TOKEN).getBytes(StandardCharsets.UTF_8))) {
                throw new IOException("a request with another token");
            }
            long process = Long.parseLong(field(in));
            var programs = Path.of(field(in));
            String bootstrapServers = field(in);
            var programArguments = new String[Integer.parseInt(field(in))];
            String name = field(in);
            for (int i = 0; i < programArguments.length; i++) {
                programArguments[i] = field(in);
            }
            client.setSoTimeout(0);
            var request = new Request(client, process, programs, bootstrapServers, name, programArguments);
            request.start();
            awaitEnd(in);
            request.abandonUnlessAnswered();
        } catch (IOException | RuntimeException | InterruptedException e) {
            e.printStackTrace();
        }
    }

    /** Waits until the client has gone, or the answer is sent and the connection closed. */
    private static void awaitEnd(InputStream in) {
        try {
            while (in.read() >= 0) {}
        } catch (IOException e) {
            // A closed connection is an end, too.
        }
    }

    private static String field(InputStream in) throws IOException {
        return field(in, Integer.MAX_VALUE);
    }

    private static String field(InputStream in, int longest) throws IOException {
        var bytes = new ByteArrayOutputStream();
        for (int next; (next = in.read()) != 0; bytes.write(next)) {
            if (next < 0 || bytes.size() == longest) {
                throw new EOFException("an incomplete request");
            }
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }
}
