import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import resident.Resident;

/**
 * Fills a topic quickly with JSON-like records: a key, a value of about BYTES bytes, two headers,
 * timestamps a millisecond apart.
 * Bulk TOPIC RECORDS BYTES [PROPERTY=VALUE…]
 * The same arguments always give the same records, round-robin over all partitions. With
 * transactional.id=… they are one transaction, which end=abort aborts. With content=zeros all values
 * are only zeros.
 */
public final class Bulk {
    private static final String[] WORDS = {
        "accepted", "account", "address", "amount", "article", "basket", "billing", "cancelled", "carrier", "checkout", "colour", "courier",
        "customer", "delivered", "discount", "express", "forwarded", "gift", "invoice", "language", "loyalty", "online", "order", "packed",
        "paid", "parcel", "pending", "pickup", "price", "priority", "product", "quantity", "received", "refund", "region", "returned",
        "shipped", "size", "standard", "stock", "store", "supplier", "tax", "total", "tracking", "transfer", "voucher", "warehouse"
    };
    private static final long FIRST_TIMESTAMP = 1_700_000_000_000L;

    public static void main(String[] arguments) throws Exception {
        String topic = arguments[0];
        long records = Long.parseLong(arguments[1]);
        int bytes = Integer.parseInt(arguments[2]);
        Map<String, Object> properties = new HashMap<>(Map.of(
                "bootstrap.servers", Resident.bootstrapServers(),
                "acks", "all", "linger.ms", 20, "batch.size", 256 << 10, "buffer.memory", 128L << 20,
                // A test must not fail because the machine is busy. After a request timeout, a
                // producer may repeat the request with wrong sequence numbers until the delivery
                // times out.
                "delivery.timeout.ms", 600_000, "request.timeout.ms", 300_000));
        for (int i = 3; i < arguments.length; i++) {
            String[] pair = arguments[i].split("=", 2);
            properties.put(pair[0], pair[1]);
        }
        boolean zeros = "zeros".equals(properties.remove("content"));
        boolean aborts = "abort".equals(properties.remove("end"));
        boolean isTransaction = properties.containsKey("transactional.id");
        var random = new Random(bytes);
        var producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
        try {
            if (isTransaction) {
                producer.initTransactions();
                producer.beginTransaction();
            }
            int partitions = producer.partitionsFor(topic).size();
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (long n = 0; n < records; n++) {
                int partition = (int) (n % partitions);
                sent.add(producer.send(zeros ? zeros(topic, partition, n, bytes) : record(topic, partition, n, bytes, random)));
                if (sent.size() == 100_000) {
                    await(sent);
                }
            }
            await(sent);
            if (aborts) {
                producer.abortTransaction();
            } else if (isTransaction) {
                producer.commitTransaction();
            }
        } finally {
            producer.close(Duration.ZERO); // after a failure or an interrupt, sends nothing more
        }
    }

    private static void await(List<Future<RecordMetadata>> sent) throws Exception {
        for (Future<RecordMetadata> one : sent) {
            one.get();
        }
        sent.clear();
    }

    private static ProducerRecord<byte[], byte[]> zeros(String topic, int partition, long n, int bytes) {
        return new ProducerRecord<>(topic, partition, FIRST_TIMESTAMP + n, null, new byte[bytes]);
    }

    private static ProducerRecord<byte[], byte[]> record(String topic, int partition, long n, int bytes, Random random) {
        var value = new StringBuilder(bytes + 64);
        value.append("{\"id\":").append(n);
        while (value.length() < bytes - 20) {
            value.append(",\"").append(word(random)).append("\":");
            if (random.nextBoolean()) {
                value.append(random.nextInt(1_000_000));
            } else {
                value.append('"').append(word(random)).append('-').append(Integer.toHexString(random.nextInt())).append('"');
            }
        }
        byte[] key = ("customer-" + random.nextInt(100_000)).getBytes(StandardCharsets.UTF_8);
        List<Header> headers = List.of(
                new RecordHeader("trace-id", ByteBuffer.allocate(16).putLong(random.nextLong()).putLong(n).array()),
                new RecordHeader("source", "shop".getBytes(StandardCharsets.UTF_8)));
        byte[] body = value.append('}').toString().getBytes(StandardCharsets.UTF_8);
        return new ProducerRecord<>(topic, partition, FIRST_TIMESTAMP + n, key, body, headers);
    }

    private static String word(Random random) {
        return WORDS[random.nextInt(WORDS.length)];
    }
}
