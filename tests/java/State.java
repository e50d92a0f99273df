import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.SecurityDisabledException;
import resident.Resident;

/**
 * Prints the state of a cluster except records in one line, as Kafka's own administration client sees it:
 * {"groups":{"billing":{"orders/0":[5,"metadata"]}},"configs":{"orders":{"retention.ms":"-1"}},"acls":["…"]}
 * The configs are those set on topics. Kafka's own topics are left out. A cluster without an
 * authorizer has no access control lists.
 */
public final class State {
    private State() {}

    public static void main(String[] arguments) throws Exception {
        ObjectNode state = Lines.JSON.createObjectNode();
        try (var admin = Admin.create(Map.of("bootstrap.servers", Resident.bootstrapServers()))) {
            state.set("groups", groups(admin));
            state.set("configs", configs(admin));
            state.set("acls", Lines.JSON.valueToTree(acls(admin)));
        }
        System.out.println(Lines.JSON.writeValueAsString(state));
    }

    private static Set<String> acls(Admin admin) throws Exception {
        var sorted = new TreeSet<String>();
        try {
            for (AclBinding binding : admin.describeAcls(AclBindingFilter.ANY).values().get()) {
                sorted.add(binding.pattern() + " " + binding.entry());
            }
        } catch (ExecutionException e) {
            if (!(e.getCause() instanceof SecurityDisabledException)) {
                throw e;
            }
        }
        return sorted;
    }

    private static ObjectNode groups(Admin admin) throws Exception {
        Map<String, ListConsumerGroupOffsetsSpec> asked = new TreeMap<>();
        for (var group : admin.listGroups().all().get()) {
            asked.put(group.groupId(), new ListConsumerGroupOffsetsSpec());
        }
        ObjectNode groups = Lines.JSON.createObjectNode();
        if (asked.isEmpty()) {
            return groups;
        }
        var offsets = admin.listConsumerGroupOffsets(asked);
        for (String group : asked.keySet()) {
            var sorted = new TreeMap<String, Object[]>();
            offsets.partitionsToOffsetAndMetadata(group).get().forEach((partition, offset) -> {
                if (offset != null) {
                    sorted.put(partition.topic() + "/" + partition.partition(), new Object[] {offset.offset(), offset.metadata()});
                }
            });
            groups.set(group, Lines.JSON.valueToTree(sorted));
        }
        return groups;
    }

    private static ObjectNode configs(Admin admin) throws Exception {
        Set<String> names = admin.listTopics().names().get();
        var asked = names.stream()
                .filter(name -> !name.startsWith("__"))
                .map(name -> new ConfigResource(ConfigResource.Type.TOPIC, name))
                .collect(Collectors.toSet());
        var sorted = new TreeMap<String, Map<String, String>>();
        admin.describeConfigs(asked).all().get().forEach((topic, config) -> {
            var own = new TreeMap<String, String>();
            for (ConfigEntry entry : config.entries()) {
                if (entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG) {
                    own.put(entry.name(), entry.value());
                }
            }
            sorted.put(topic.name(), own);
        });
        return Lines.JSON.valueToTree(sorted);
    }
}
