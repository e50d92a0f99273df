import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Base64;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;

/**
 * A record as one line of JSON, all bytes in base64, null as null:
 * {"partition":0,"offset":5,"timestamp":1,"timestampType":"CreateTime","key":"…","value":null,"headers":[["…","…"],["…",null]]}
 */
final class Lines {
    static final ObjectMapper JSON = new ObjectMapper(JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder().maxStringLength(Integer.MAX_VALUE).build())
            .build());

    private Lines() {}

    static String line(ConsumerRecord<byte[], byte[]> record, boolean withOffset) throws IOException {
        ObjectNode line = JSON.createObjectNode();
        line.put("partition", record.partition());
        if (withOffset) {
            line.put("offset", record.offset());
        }
        line.put("timestamp", record.timestamp());
        line.put("timestampType", record.timestampType().name);
        line.put("key", base64(record.key()));
        line.put("value", base64(record.value()));
        ArrayNode headers = line.putArray("headers");
        for (Header header : record.headers()) {
            headers.addArray().add(base64(keyBytes(header))).add(base64(header.value()));
        }
        return JSON.writeValueAsString(line);
    }

    static JsonNode parse(String line) throws IOException {
        return JSON.readTree(line);
    }

    static byte[] bytes(JsonNode value) {
        return value.isNull() ? null : Base64.getDecoder().decode(value.textValue());
    }

    private static String base64(byte[] bytes) {
        return bytes == null ? null : Base64.getEncoder().encodeToString(bytes);
    }

    /** The key as it is in the log: Header.key() replaces what is not UTF-8. Must be called before the first key(). */
    private static byte[] keyBytes(Header header) {
        try {
            Field field = RecordHeader.class.getDeclaredField("keyBuffer");
            field.setAccessible(true);
            ByteBuffer buffer = (ByteBuffer) field.get(header);
            if (buffer == null) {
                return header.key().getBytes(StandardCharsets.UTF_8);
            }
            ByteBuffer copy = buffer.duplicate();
            byte[] bytes = new byte[copy.remaining()];
            copy.get(bytes);
            return bytes;
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("this Kafka client keeps header keys elsewhere", e);
        }
    }

    static boolean isUtf8(byte[] bytes) {
        return Arrays.equals(new String(bytes, StandardCharsets.UTF_8).getBytes(StandardCharsets.UTF_8), bytes);
    }
}
