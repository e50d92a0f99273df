import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.message.ProduceRequestData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.record.CompressionType;
import org.apache.kafka.common.record.DefaultRecordBatch;
import org.apache.kafka.common.record.MemoryRecords;
import org.apache.kafka.common.record.RecordBatch;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.requests.ProduceRequest;
import org.apache.kafka.common.requests.ProduceResponse;
import org.apache.kafka.common.requests.RequestHeader;
import org.apache.kafka.common.requests.ResponseHeader;
import org.apache.kafka.common.utils.ByteUtils;

/** Sends records that KafkaProducer refuses or changes but brokers accept, each in its own record batch. */
final class RawProducer implements AutoCloseable {
    /** The version of the produce request. 12 is the last one before topic ids replaced names. */
    private static final short VERSION = 11;

    private final String topic;
    private final Map<Integer, Socket> connections = new HashMap<>();

    RawProducer(String topic) {
        this.topic = topic;
    }

    static boolean isNeededFor(JsonNode record) throws IOException {
        boolean utf8 = true;
        for (JsonNode header : record.get("headers")) {
            utf8 &= Lines.isUtf8(Lines.bytes(header.get(0)));
        }
        return !utf8 || record.get("timestamp").longValue() < 0;
    }

    void send(JsonNode record, List<PartitionInfo> partitions) throws IOException {
        int number = record.get("partition").intValue();
        Node leader = partitions.stream().filter(info -> info.partition() == number).findAny().orElseThrow().leader();
        var partition = new ProduceRequestData.PartitionProduceData().setIndex(number).setRecords(batch(record));
        var topics = new ProduceRequestData.TopicProduceDataCollection();
        topics.add(new ProduceRequestData.TopicProduceData().setName(topic).setPartitionData(List.of(partition)));
        var data = new ProduceRequestData().setAcks((short) -1).setTimeoutMs(30_000).setTopicData(topics);

        Socket socket = connections.get(leader.id());
        if (socket == null) {
            socket = new Socket(leader.host(), leader.port());
            connections.put(leader.id(), socket);
        }
        var header = new RequestHeader(ApiKeys.PRODUCE, VERSION, "raw", 0);
        ByteBuffer request = new ProduceRequest(data, VERSION).serializeWithHeader(header);
        var out = new DataOutputStream(socket.getOutputStream());
        out.writeInt(request.remaining());
        out.write(request.array(), request.arrayOffset() + request.position(), request.remaining());
        out.flush();

        var in = new DataInputStream(socket.getInputStream());
        var response = new ByteBufferAccessor(ByteBuffer.wrap(in.readNBytes(in.readInt())));
        ResponseHeader.parse(response.buffer(), ApiKeys.PRODUCE.responseHeaderVersion(VERSION));
        for (var answer : ProduceResponse.parse(response, VERSION).data().responses()) {
            Errors.forCode(answer.partitionResponses().get(0).errorCode()).maybeThrow();
        }
    }

    /** A record batch, format v2, of one record: see "Record Batch" in Kafka's protocol documentation. */
    private static MemoryRecords batch(JsonNode record) throws IOException {
        var body = new ByteArrayOutputStream();
        var fields = new DataOutputStream(body);
        fields.writeByte(0); // attributes
        ByteUtils.writeVarlong(0, fields); // timestamp delta
        ByteUtils.writeVarint(0, fields); // offset delta
        writeBytes(Lines.bytes(record.get("key")), fields);
        writeBytes(Lines.bytes(record.get("value")), fields);
        ByteUtils.writeVarint(record.get("headers").size(), fields);
        for (JsonNode header : record.get("headers")) {
            writeBytes(Lines.bytes(header.get(0)), fields);
            writeBytes(Lines.bytes(header.get(1)), fields);
        }
        int length = body.size();
        int size = DefaultRecordBatch.RECORD_BATCH_OVERHEAD + ByteUtils.sizeOfVarint(length) + length;
        ByteBuffer buffer = ByteBuffer.allocate(size);
        buffer.position(DefaultRecordBatch.RECORD_BATCH_OVERHEAD);
        ByteUtils.writeVarint(length, buffer);
        buffer.put(body.toByteArray());
        buffer.position(0);
        long timestamp = record.get("timestamp").longValue();
        DefaultRecordBatch.writeHeader(buffer, 0, 0, size, RecordBatch.MAGIC_VALUE_V2, CompressionType.NONE, TimestampType.CREATE_TIME,
                timestamp, timestamp, RecordBatch.NO_PRODUCER_ID, RecordBatch.NO_PRODUCER_EPOCH, RecordBatch.NO_SEQUENCE, false, false,
                false, RecordBatch.NO_PARTITION_LEADER_EPOCH, 1);
        buffer.position(0);
        return MemoryRecords.readableRecords(buffer);
    }

    private static void writeBytes(byte[] bytes, DataOutputStream out) throws IOException {
        ByteUtils.writeVarint(bytes == null ? -1 : bytes.length, out);
        if (bytes != null) {
            out.write(bytes);
        }
    }

    @Override
    public void close() throws IOException {
        for (Socket socket : connections.values()) {
            socket.close();
        }
    }
}
