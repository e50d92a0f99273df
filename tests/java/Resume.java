import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import resident.Resident;

/**
 * Prints what consumer groups read from their committed offsets to the current ends, read by Kafka's
 * own consumer as a member of the group. Commits nothing.
 * Resume GROUP…      a line for each partition that a group has committed on:
 * {"group":"billing","topic":"orders","partition":0,"committed":5,"metadata":"…","records":[…]}
 * A group without a committed offset prints nothing.
 */
public final class Resume {
    private Resume() {}

    public static void main(String[] arguments) throws Exception {
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 20), false, StandardCharsets.UTF_8);
        try (var admin = Admin.create(Map.of("bootstrap.servers", Resident.bootstrapServers()))) {
            for (String group : arguments) {
                var committed = new HashMap<>(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get());
                committed.values().removeIf(offset -> offset == null);
                read(group, committed, out);
            }
        }
        out.flush();
    }

    private static void read(String group, Map<TopicPartition, OffsetAndMetadata> committed, PrintStream out) throws Exception {
        Map<String, Object> properties = Map.of(
                "bootstrap.servers", Resident.bootstrapServers(),
                "group.id", group,
                "isolation.level", "read_committed",
                "enable.auto.commit", false,
                "auto.offset.reset", "none",
                "fetch.max.wait.ms", 10);
        Map<TopicPartition, ObjectNode> lines = new HashMap<>();
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(committed.keySet());
            for (var offset : committed.entrySet()) {
                ObjectNode line = Lines.JSON.createObjectNode();
                line.put("group", group);
                line.put("topic", offset.getKey().topic());
                line.put("partition", offset.getKey().partition());
                line.put("committed", offset.getValue().offset());
                line.put("metadata", offset.getValue().metadata());
                line.putArray("records");
                lines.put(offset.getKey(), line);
            }
            Map<TopicPartition, Long> ends = consumer.endOffsets(committed.keySet());
            List<TopicPartition> open = List.copyOf(committed.keySet());
            while (!open.isEmpty()) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    var partition = new TopicPartition(record.topic(), record.partition());
                    if (record.offset() < ends.get(partition)) {
                        lines.get(partition).withArray("records").add(Lines.parse(Lines.line(record, true)));
                    }
                }
                open = open.stream().filter(partition -> consumer.position(partition) < ends.get(partition)).toList();
            }
        }
        for (ObjectNode line : lines.values()) {
            out.println(Lines.JSON.writeValueAsString(line));
        }
    }
}
