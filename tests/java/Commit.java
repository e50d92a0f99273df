import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import resident.Resident;

/**
 * Makes consumer groups commit, with Kafka's own client. Standard input has a line for each offset:
 * {"group":"billing","protocol":"classic","topic":"orders","partition":0,"offset":5,"metadata":"…"}
 * The protocol of a group is classic or consumer (KIP-848): a member joins, commits and leaves.
 * Without a protocol an administrator commits: a "simple" group.
 */
public final class Commit {
    private Commit() {}

    public static void main(String[] arguments) throws Exception {
        Map<String, String> protocols = new TreeMap<>();
        Map<String, Map<TopicPartition, OffsetAndMetadata>> groups = new TreeMap<>();
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null; ) {
            JsonNode commit = Lines.parse(line);
            String group = commit.get("group").textValue();
            protocols.put(group, commit.path("protocol").asText(""));
            groups.computeIfAbsent(group, key -> new HashMap<>()).put(
                    new TopicPartition(commit.get("topic").textValue(), commit.get("partition").intValue()),
                    new OffsetAndMetadata(commit.get("offset").longValue(), commit.path("metadata").asText("")));
        }
        try (var admin = Admin.create(Map.of("bootstrap.servers", Resident.bootstrapServers()))) {
            for (var group : groups.entrySet()) {
                String protocol = protocols.get(group.getKey());
                if (protocol.isEmpty()) {
                    admin.alterConsumerGroupOffsets(group.getKey(), group.getValue()).all().get();
                } else {
                    commitAsMember(group.getKey(), protocol, group.getValue());
                }
            }
        }
    }

    private static void commitAsMember(String group, String protocol, Map<TopicPartition, OffsetAndMetadata> offsets) {
        Map<String, Object> properties = Map.of(
                "bootstrap.servers", Resident.bootstrapServers(),
                "group.id", group,
                "group.protocol", protocol,
                "enable.auto.commit", false);
        Set<String> topics = offsets.keySet().stream().map(TopicPartition::topic).collect(Collectors.toSet());
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(topics);
            while (consumer.assignment().isEmpty()) {
                consumer.poll(Duration.ofMillis(50));
            }
            consumer.commitSync(offsets);
        }
    }
}
