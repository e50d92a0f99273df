package resident;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.net.Socket;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicBoolean;

/** One run of a program: a thread group with the streams of the client. Only its first exit counts. */
final class Request {
    private static final InheritableThreadLocal<Request> CURRENT = new InheritableThreadLocal<>();
    private static final int SECONDS_TO_GIVE_UP = 30;

    /** Unwinds the stack of a program that has exited. A program that catches it can no longer print or change its exit code. */
    private static final class Exited extends Error {
        private static final long serialVersionUID = 1;
    }

    final String bootstrapServers;
    final InputStream in;
    final PrintStream out;
    final PrintStream err;
    final List<Runnable> shutdownHooks = new CopyOnWriteArrayList<>();
    private final Socket client;
    private final Path programs;
    private final String name;
    private final String[] arguments;
    private final OutputStream rawOut;
    private final OutputStream rawErr;
    private final ThreadGroup threads;
    private final Thread main;
    private final AtomicBoolean hasExited = new AtomicBoolean();
    private volatile boolean isAnswered;

    Request(Socket client, long process, Path programs, String bootstrapServers, String name, String[] arguments) throws IOException {
        this.client = client;
        this.programs = programs;
        this.bootstrapServers = bootstrapServers;
        this.name = name;
        this.arguments = arguments;
        in = new ClientInput(process);
        rawOut = Streams.openOutput(process, 1);
        rawErr = Streams.openOutput(process, 2);
        out = Streams.printer(rawOut);
        err = Streams.printer(rawErr);
        threads = new ThreadGroup(name);
        main = new Thread(threads, this::run, "main");
    }

    /** The request of this thread, inherited by all threads that it starts. */
    static Request current() {
        return CURRENT.get();
    }

    static void exitCurrent(int code, boolean withShutdownHooks) {
        current().exit(code, withShutdownHooks);
        throw new Exited();
    }

    void start() {
        main.start();
    }

    /** Ends the program if the client was killed. */
    void abandonUnlessAnswered() throws InterruptedException, IOException {
        if (isAnswered) {
            return;
        }
        hasExited.set(true);
        rawOut.close(); // not through the printers, which may be waiting with their lock held
        rawErr.close();
        for (int i = 0; i < SECONDS_TO_GIVE_UP && main.isAlive(); i++) {
            main.interrupt();
            main.join(1000);
        }
        if (main.isAlive()) {
            System.err.println("the client of " + this + " is gone, but the program does not end");
        }
    }

    @Override
    public String toString() {
        return name + " " + String.join(" ", arguments);
    }

    private void run() {
        CURRENT.set(this);
        try (var loader = new URLClassLoader(new URL[] {programs.toUri().toURL()}, Request.class.getClassLoader())) {
            main.setContextClassLoader(loader);
            int code = call(loader);
            joinOthers();
            exit(code, true);
        } catch (Exited e) {
            // The answer was sent by exit.
        } catch (Throwable e) {
            fail(e);
        }
    }

    /** Runs the class with the messages and exit codes of `java`. */
    private int call(ClassLoader loader) {
        Method method;
        try {
            method = Class.forName(name, false, loader).getMethod("main", String[].class);
            method.setAccessible(true);
        } catch (NoSuchMethodException e) {
            err.println("Error: Main method not found in class " + name);
            return 1;
        } catch (ReflectiveOperationException | LinkageError e) {
            err.println("Error: Could not find or load main class " + name + "\nCaused by: " + e);
            return 1;
        }
        try {
            method.invoke(null, (Object) arguments);
            return 0;
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof Exited exited) {
                throw exited;
            }
            err.print("Exception in thread \"main\" ");
            withoutOurFrames(e.getCause()).printStackTrace(err);
            return 1;
        } catch (IllegalAccessException e) {
            throw new IllegalStateException(e);
        }
    }

    private Throwable withoutOurFrames(Throwable outermost) {
        for (Throwable e = outermost; e != null; e = e.getCause()) {
            StackTraceElement[] frames = e.getStackTrace();
            int last = frames.length - 1;
            while (last >= 0 && !(frames[last].getClassName().equals(name) && frames[last].getMethodName().equals("main"))) {
                last--;
            }
            if (last >= 0) {
                e.setStackTrace(Arrays.copyOf(frames, last + 1));
            }
        }
        return outermost;
    }

    /** A JVM waits for all threads that are not daemons. */
    private void joinOthers() throws InterruptedException {
        var all = new Thread[threads.activeCount() + 100];
        int count = threads.enumerate(all);
        for (Thread thread : Arrays.copyOf(all, count)) {
            if (thread != main && !thread.isDaemon()) {
                thread.join();
            }
        }
    }

    /** Closes the connection without an answer: the mistake is in this server, not in the program. */
    private void fail(Throwable e) {
        if (hasExited.compareAndSet(false, true)) {
            try (client) {
                CURRENT.remove();
                System.err.println("could not run " + this);
                e.printStackTrace();
                out.close();
                err.close();
            } catch (IOException ignored) {
                // The connection is closed anyway.
            }
        }
    }

    private void exit(int code, boolean withShutdownHooks) {
        if (!hasExited.compareAndSet(false, true)) {
            return;
        }
        if (withShutdownHooks) {
            for (Runnable hook : shutdownHooks) {
                try {
                    hook.run();
                } catch (RuntimeException e) {
                    e.printStackTrace(err);
                }
            }
        }
        out.close();
        err.close();
        isAnswered = true;
        try (client) {
            client.getOutputStream().write((code + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (IOException e) {
            // The client has gone and needs no answer.
        }
        if (Thread.currentThread() != main) {
            main.interrupt();
        }
    }
}
