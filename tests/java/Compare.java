import java.io.IOException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/**
 * Compares copies of a topic with the topic, record for record and without offsets, read by Kafka's
 * own client.
 * Compare SOURCE COPY…      for each copy a line: its name, and the numbers of lost, doubled and changed records
 * A record is doubled if the copy has it more often than the source. A record that the source does
 * not have counts as changed, and then none counts as lost for it. If only the order differs, the
 * records at another position count as changed.
 */
public final class Compare {
    private final KafkaConsumer<byte[], byte[]> consumer;
    private long lost;
    private long doubled;
    private long changed;

    private Compare(KafkaConsumer<byte[], byte[]> consumer) {
        this.consumer = consumer;
    }

    public static void main(String[] arguments) throws Exception {
        try (var consumer = Dump.consumer("read_committed")) {
            var source = new Compare(consumer).read(arguments[0]);
            for (int i = 1; i < arguments.length; i++) {
                var compare = new Compare(consumer);
                var copy = compare.read(arguments[i]);
                for (int partition = 0; partition < Math.max(source.size(), copy.size()); partition++) {
                    compare.partition(source.getOrDefault(partition, List.of()), copy.getOrDefault(partition, List.of()));
                }
                System.out.println(arguments[i] + " " + compare.lost + " " + compare.doubled + " " + compare.changed);
            }
        }
    }

    private Map<Integer, List<String>> read(String topic) throws IOException {
        Map<Integer, List<String>> partitions = new TreeMap<>();
        for (int partition : Dump.partitions(consumer, topic)) {
            List<String> lines = new ArrayList<>();
            Dump.read(consumer, new TopicPartition(topic, partition), record -> lines.add(Lines.line(record, false)));
            partitions.put(partition, lines);
        }
        return partitions;
    }

    private void partition(List<String> source, List<String> copy) {
        Map<String, Integer> missing = new HashMap<>();
        source.forEach(line -> missing.merge(line, 1, Integer::sum));
        var known = Map.copyOf(missing);
        long surplus = 0;
        long foreign = 0;
        for (String line : copy) {
            if (!known.containsKey(line)) {
                foreign++;
            } else if (missing.merge(line, -1, Integer::sum) < 0) {
                surplus++;
            }
        }
        long gone = missing.values().stream().filter(count -> count > 0).mapToLong(Integer::longValue).sum();
        long moved = 0;
        if (gone + surplus + foreign == 0) {
            for (int i = 0; i < source.size(); i++) {
                moved += source.get(i).equals(copy.get(i)) ? 0 : 1;
            }
        }
        lost += Math.max(0, gone - foreign);
        doubled += surplus;
        changed += foreign + moved;
    }
}
