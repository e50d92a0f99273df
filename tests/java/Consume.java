import java.io.IOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import resident.Resident;

/**
 * A consumer that reads the next records of its group, prints them, commits, and leaves.
 * Consume GROUP TOPIC RECORDS [PROPERTY=VALUE…]
 * With enable.auto.commit=true (the default) the client commits by itself. Otherwise the program
 * commits after each record, with metadata. A group without offsets begins at the start. The program
 * fails after two minutes without a record.
 */
public final class Consume {
    private static final int MILLISECONDS_OF_SILENCE = 120_000; // a busy machine is no failure

    private Consume() {}

    public static void main(String[] arguments) throws IOException {
        Map<String, Object> properties = new HashMap<>(Map.of(
                "bootstrap.servers", Resident.bootstrapServers(),
                "group.id", arguments[0],
                "auto.offset.reset", "earliest",
                "auto.commit.interval.ms", 20,
                "max.poll.records", 1)); // what was polled counts as processed
        for (int i = 3; i < arguments.length; i++) {
            String[] pair = arguments[i].split("=", 2);
            properties.put(pair[0], pair[1]);
        }
        boolean commits = "false".equals(properties.get("enable.auto.commit"));
        int left = Integer.parseInt(arguments[2]);
        long last = System.currentTimeMillis();
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(arguments[1]));
            while (left > 0) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    System.out.println(Lines.line(record, false));
                    left--;
                    last = System.currentTimeMillis();
                    if (commits) {
                        consumer.commitSync();
                    }
                }
                if (System.currentTimeMillis() - last > MILLISECONDS_OF_SILENCE) {
                    throw new IllegalStateException(left + " records are missing");
                }
            }
        }
    }
}
