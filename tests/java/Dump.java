import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import resident.Resident;

/**
 * Prints every record of a topic, partition after partition, each in the order of its log, read by
 * Kafka's own client.
 * Dump TOPIC [--offsets] [--uncommitted] [--digest]
 *   --offsets      with offsets (by default without: a restored topic has others)
 *   --uncommitted  also records of aborted and of open transactions
 *   --digest       instead of records, for each partition: {"partition":0,"records":3,"sha256":"…"} over the same lines
 */
public final class Dump {
    public static void main(String[] arguments) throws Exception {
        String topic = arguments[0];
        List<String> options = Arrays.asList(arguments).subList(1, arguments.length);
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 20), false, StandardCharsets.UTF_8);
        try (var consumer = consumer(options.contains("--uncommitted") ? "read_uncommitted" : "read_committed")) {
            for (int partition : partitions(consumer, topic)) {
                dump(consumer, new TopicPartition(topic, partition), options, out);
            }
        }
        out.flush();
    }

    /** Processes each record. */
    interface Reader {
        void read(ConsumerRecord<byte[], byte[]> record) throws IOException;
    }

    static KafkaConsumer<byte[], byte[]> consumer(String isolation) {
        Map<String, Object> properties = Map.of(
                "bootstrap.servers", Resident.bootstrapServers(),
                "isolation.level", isolation,
                "enable.auto.commit", false,
                "max.poll.records", 10_000,
                "fetch.max.wait.ms", 10, // a request at the end of one partition delays those for the next
                "max.partition.fetch.bytes", 8 << 20);
        return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static int[] partitions(KafkaConsumer<byte[], byte[]> consumer, String topic) {
        return consumer.partitionsFor(topic).stream().mapToInt(info -> info.partition()).sorted().toArray();
    }

    /** Reads a partition from its beginning to its current end. Returns the number of records. */
    static long read(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition, Reader reader) throws IOException {
        consumer.assign(List.of(partition));
        consumer.seekToBeginning(List.of(partition));
        long end = consumer.endOffsets(List.of(partition)).get(partition);
        long records = 0;
        while (consumer.position(partition) < end) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                if (record.offset() >= end) {
                    break;
                }
                records++;
                reader.read(record);
            }
        }
        return records;
    }

    private static void dump(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition, List<String> options, PrintStream out)
            throws IOException, NoSuchAlgorithmException {
        MessageDigest sha256 = options.contains("--digest") ? MessageDigest.getInstance("SHA-256") : null;
        long records = read(consumer, partition, record -> {
            String line = Lines.line(record, options.contains("--offsets")) + "\n";
            if (sha256 == null) {
                out.print(line);
            } else {
                sha256.update(line.getBytes(StandardCharsets.UTF_8));
            }
        });
        if (sha256 != null) {
            Map<String, Object> digest = new TreeMap<>();
            digest.put("partition", partition.partition());
            digest.put("records", records);
            digest.put("sha256", HexFormat.of().formatHex(sha256.digest()));
            out.println(Lines.JSON.writeValueAsString(digest));
        }
    }
}
