import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import resident.Resident;

/**
 * A consumer that is a member of a group and commits nothing.
 * Member GROUP TOPIC      prints a line once it has partitions, and leaves the group when standard input ends
 */
public final class Member {
    private Member() {}

    public static void main(String[] arguments) throws Exception {
        Map<String, Object> properties = Map.of(
                "bootstrap.servers", Resident.bootstrapServers(),
                "group.id", arguments[0],
                "enable.auto.commit", false);
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(arguments[1]));
            while (consumer.assignment().isEmpty()) {
                consumer.poll(Duration.ofMillis(50));
            }
            System.out.println("joined");
            System.out.flush();
            // Kafka removes a member that does not poll for five minutes: longer than any test.
            while (System.in.read() >= 0) {}
        }
    }
}
