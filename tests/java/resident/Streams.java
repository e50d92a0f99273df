package resident;

import java.io.BufferedOutputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.function.Function;

/** System.in, System.out and System.err for each thread: those of the client of its request, otherwise those of this process. */
final class Streams {
    private Streams() {}

    static void install() {
        System.setIn(new Input());
        System.setOut(new Output(System.out, request -> request.out));
        System.setErr(new Output(System.err, request -> request.err));
    }

    /** Opens an output of a client again. Output to a closed one is dropped. */
    static OutputStream openOutput(long process, int number) throws IOException {
        Path file = Path.of("/proc/" + process + "/fd/" + number);
        return Files.exists(file) ? new FileOutputStream(file.toFile(), true) : OutputStream.nullOutputStream();
    }

    static PrintStream printer(OutputStream raw) {
        return new PrintStream(new BufferedOutputStream(raw), true, StandardCharsets.UTF_8);
    }

    private static final class Input extends InputStream {
        private static InputStream in() {
            Request request = Request.current();
            return request == null ? InputStream.nullInputStream() : request.in;
        }

        @Override
        public int read() throws IOException {
            return in().read();
        }

        @Override
        public int read(byte[] bytes, int offset, int length) throws IOException {
            return in().read(bytes, offset, length);
        }

        @Override
        public int available() throws IOException {
            return in().available();
        }

        @Override
        public void close() throws IOException {
            in().close();
        }
    }

    /** Overrides every method: PrintStream's own hold a lock, and one slow reader would block all other clients. */
    private static final class Output extends PrintStream {
        private final PrintStream own;
        private final Function<Request, PrintStream> ofRequest;

        Output(PrintStream own, Function<Request, PrintStream> ofRequest) {
            super(OutputStream.nullOutputStream());
            this.own = own;
            this.ofRequest = ofRequest;
        }

        private PrintStream to() {
            Request request = Request.current();
            return request == null ? own : ofRequest.apply(request);
        }

        @Override public void flush() { to().flush(); }
        @Override public void close() { to().close(); }
        @Override public boolean checkError() { return to().checkError(); }
        @Override public void write(int value) { to().write(value); }
        @Override public void write(byte[] bytes) throws IOException { to().write(bytes); }
        @Override public void write(byte[] bytes, int offset, int length) { to().write(bytes, offset, length); }
        @Override public void writeBytes(byte[] bytes) { to().writeBytes(bytes); }
        @Override public void print(boolean value) { to().print(value); }
        @Override public void print(char value) { to().print(value); }
        @Override public void print(int value) { to().print(value); }
        @Override public void print(long value) { to().print(value); }
        @Override public void print(float value) { to().print(value); }
        @Override public void print(double value) { to().print(value); }
        @Override public void print(char[] value) { to().print(value); }
        @Override public void print(String value) { to().print(value); }
        @Override public void print(Object value) { to().print(value); }
        @Override public void println() { to().println(); }
        @Override public void println(boolean value) { to().println(value); }
        @Override public void println(char value) { to().println(value); }
        @Override public void println(int value) { to().println(value); }
        @Override public void println(long value) { to().println(value); }
        @Override public void println(float value) { to().println(value); }
        @Override public void println(double value) { to().println(value); }
        @Override public void println(char[] value) { to().println(value); }
        @Override public void println(String value) { to().println(value); }
        @Override public void println(Object value) { to().println(value); }
        @Override public PrintStream printf(String format, Object... values) { return to().printf(format, values); }
        @Override public PrintStream printf(Locale locale, String format, Object... values) { return to().printf(locale, format, values); }
        @Override public PrintStream format(String format, Object... values) { return to().format(format, values); }
        @Override public PrintStream format(Locale locale, String format, Object... values) { return to().format(locale, format, values); }
        @Override public PrintStream append(CharSequence text) { return to().append(text); }
        @Override public PrintStream append(CharSequence text, int start, int end) { return to().append(text, start, end); }
        @Override public PrintStream append(char value) { return to().append(value); }
    }
}
