import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.InvalidStateStoreException;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import resident.Resident;

/**
 * A Kafka Streams application with exactly-once: counts the values of a topic, each value under its own name.
 * Counts APPLICATION INPUT OUTPUT FOLDER RECORDS
 * It stops cleanly once it has counted RECORDS records in this run, and prints its whole state:
 * {"a":3,"b":1}. The state is in FOLDER, which may be empty. The records pass through a repartition
 * topic, and the counts are in a changelog topic. Both names contain the application's name.
 * Streams does not leave its group: in the same cluster the next run begins when the session times
 * out, after 45 seconds. The program fails after two minutes without a record.
 */
public final class Counts {
    private static final int SECONDS_OF_SILENCE = 120; // a busy machine is no failure

    private Counts() {}

    public static void main(String[] arguments) throws Exception {
        var properties = new Properties();
        properties.putAll(Map.of(
                "bootstrap.servers", Resident.bootstrapServers(),
                "application.id", arguments[0],
                "state.dir", Path.of(arguments[3]).toAbsolutePath().toString(),
                "processing.guarantee", "exactly_once_v2",
                "auto.offset.reset", "earliest", // of the very first run
                "statestore.cache.max.bytes", 0, // each record changes the output
                "commit.interval.ms", 100,
                "repartition.purge.interval.ms", 100));
        var counted = new CountDownLatch(Integer.parseInt(arguments[4]));
        var builder = new StreamsBuilder();
        builder.stream(arguments[1], Consumed.with(Serdes.ByteArray(), Serdes.String()))
                .groupBy((key, value) -> value, Grouped.with("by-value", Serdes.String(), Serdes.String()))
                .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("counts").withKeySerde(Serdes.String()))
                .toStream()
                .peek((value, count) -> counted.countDown())
                .to(arguments[2], Produced.with(Serdes.String(), Serdes.Long()));

        var failure = new AtomicReference<Throwable>();
        try (var streams = new KafkaStreams(builder.build(), properties)) {
            streams.setUncaughtExceptionHandler(e -> {
                failure.set(e);
                return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
            });
            streams.start();
            for (long before = -1; counted.getCount() > 0 && failure.get() == null; ) {
                if (before == counted.getCount()) {
                    throw new IllegalStateException(before + " records are missing");
                }
                before = counted.getCount();
                counted.await(SECONDS_OF_SILENCE, TimeUnit.SECONDS);
            }
            if (failure.get() != null) {
                throw new IllegalStateException("the application failed", failure.get());
            }
            System.out.println(Lines.JSON.writeValueAsString(state(streams)));
            if (!streams.close(Duration.ofSeconds(60))) {
                throw new IllegalStateException("the application does not stop");
            }
        }
    }

    private static Map<String, Long> state(KafkaStreams streams) throws InterruptedException {
        var store = StoreQueryParameters.fromNameAndType("counts", QueryableStoreTypes.<String, Long>keyValueStore());
        for (int left = SECONDS_OF_SILENCE; ; left--) {
            Map<String, Long> all = new TreeMap<>();
            try (var entries = streams.store(store).all()) {
                entries.forEachRemaining(entry -> all.put(entry.key, entry.value));
                return all;
            } catch (InvalidStateStoreException e) {
                // The state cannot be queried while the application assigns its tasks.
                if (left == 0) {
                    throw e;
                }
                Thread.sleep(1000);
            }
        }
    }
}
