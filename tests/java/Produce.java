import com.fasterxml.jackson.databind.JsonNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import resident.Resident;

/**
 * Writes the records of standard input (see Lines) to a topic in their order, with Kafka's own client.
 * Produce TOPIC [PROPERTY=VALUE…]
 * A record with "as":"NAME" is part of the transaction of the producer whose transactional.id is NAME.
 * Lines with "as" and "do" begin, commit and abort it. "leave" ends this program immediately and
 * leaves the transaction open. Records that Kafka's client cannot send (header keys that are not
 * UTF-8, no timestamp) are sent as hand-made record batches.
 */
public final class Produce {
    private static final String PLAIN = "";

    private final String topic;
    private final Map<String, Object> properties = new HashMap<>(Map.of(
            "bootstrap.servers", Resident.bootstrapServers(), "acks", "all", "max.request.size", 16 << 20));
    private final Map<String, KafkaProducer<byte[], byte[]>> producers = new HashMap<>();
    private final List<Future<RecordMetadata>> sent = new ArrayList<>();
    private KafkaProducer<byte[], byte[]> last;

    private Produce(String topic, List<String> properties) {
        this.topic = topic;
        for (String property : properties) {
            String[] pair = property.split("=", 2);
            this.properties.put(pair[0], pair[1]);
        }
    }

    public static void main(String[] arguments) throws Exception {
        var produce = new Produce(arguments[0], List.of(arguments).subList(1, arguments.length));
        var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        try (var raw = new RawProducer(produce.topic)) {
            boolean goesOn = true;
            for (String line; goesOn && (line = in.readLine()) != null; ) {
                goesOn = produce.step(Lines.parse(line), raw);
            }
            if (goesOn) {
                produce.finish();
            }
        } finally {
            // After a failure, an interrupt or "leave": sends nothing more, ends no transaction.
            produce.producers.values().forEach(producer -> producer.close(Duration.ZERO));
        }
    }

    /** Whether there is another step after this one. */
    private boolean step(JsonNode step, RawProducer raw) throws IOException {
        var producer = producers.computeIfAbsent(step.path("as").asText(PLAIN), this::open);
        if (last != null && last != producer) {
            last.flush(); // so that the log has the records in the order of the lines
        }
        last = producer;
        switch (step.path("do").asText("")) {
            case "begin" -> producer.beginTransaction();
            case "commit" -> producer.commitTransaction();
            case "abort" -> {
                producer.flush();
                producer.abortTransaction();
            }
            case "leave" -> {
                producer.flush();
                return false;
            }
            default -> {
                if (RawProducer.isNeededFor(step)) {
                    producer.flush();
                    raw.send(step, producer.partitionsFor(topic));
                } else {
                    sent.add(producer.send(record(step)));
                }
            }
        }
        return true;
    }

    private KafkaProducer<byte[], byte[]> open(String transactionalId) {
        Map<String, Object> all = new HashMap<>(properties);
        if (!transactionalId.equals(PLAIN)) {
            all.put("transactional.id", transactionalId);
        }
        var producer = new KafkaProducer<>(all, new ByteArraySerializer(), new ByteArraySerializer());
        if (!transactionalId.equals(PLAIN)) {
            producer.initTransactions();
        }
        return producer;
    }

    private void finish() throws Exception {
        for (var producer : producers.values()) {
            producer.close();
        }
        producers.clear();
        for (Future<RecordMetadata> one : sent) {
            one.get();
        }
    }

    private ProducerRecord<byte[], byte[]> record(JsonNode step) throws IOException {
        List<Header> headers = new ArrayList<>();
        for (JsonNode header : step.get("headers")) {
            headers.add(new RecordHeader(new String(Lines.bytes(header.get(0)), StandardCharsets.UTF_8), Lines.bytes(header.get(1))));
        }
        return new ProducerRecord<>(
                topic,
                step.get("partition").intValue(),
                step.get("timestamp").longValue(),
                Lines.bytes(step.get("key")),
                Lines.bytes(step.get("value")),
                headers);
    }
}
