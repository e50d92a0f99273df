package resident;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Standard input of a client, opened by the first read. Unlike in a FileInputStream, a read can be interrupted. */
final class ClientInput extends InputStream {
    private final Path process;
    private FileChannel channel;

    ClientInput(long process) {
        this.process = Path.of("/proc/" + process);
    }

    @Override
    public synchronized int read(byte[] bytes, int offset, int length) throws IOException {
        if (channel == null) {
            channel = open();
        }
        return length == 0 ? 0 : channel.read(ByteBuffer.wrap(bytes, offset, length));
    }

    @Override
    public int read() throws IOException {
        var one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
    }

    @Override
    public synchronized void close() throws IOException {
        if (channel != null) {
            channel.close();
        }
    }

    /** A file is read from the position of the client; a pipe has only one. */
    private FileChannel open() throws IOException {
        Path file = process.resolve("fd/0");
        var opened = FileChannel.open(file, StandardOpenOption.READ);
        if (Files.isRegularFile(file)) {
            String position = Files.readAllLines(process.resolve("fdinfo/0")).get(0);
            opened.position(Long.parseLong(position.replace("pos:", "").strip()));
        }
        return opened;
    }
}
