import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.transforms.Cast;
import org.apache.kafka.connect.transforms.InsertField;
import org.apache.kafka.connect.transforms.RegexRouter;
import org.apache.kafka.connect.transforms.ReplaceField;
import org.apache.kafka.connect.transforms.Transformation;

/** The steps of data_layer.py with Kafka Connect's classes: prints `name<TAB>CPU microseconds per record`. */
public class DataLayer {
    private static final int ROUNDS = 400;
    /** What was made last: what nobody could see the compiler would leave out. */
    static volatile Object made;

    public static void main(String[] arguments) {
        int count = Integer.parseInt(arguments[0]);
        Schema date = SchemaBuilder.int32().name("io.debezium.time.Date").version(1).build();
        Schema schema = SchemaBuilder.struct().name("employees.Value")
            .field("emp_no", Schema.INT32_SCHEMA).field("birth_date", date)
            .field("first_name", Schema.STRING_SCHEMA).field("last_name", Schema.STRING_SCHEMA)
            .field("gender", Schema.STRING_SCHEMA).field("hire_date", date).build();
        List<Struct> rows = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            rows.add(new Struct(schema)
                .put("emp_no", 10_000 + i).put("birth_date", -5000 + i % 900)
                .put("first_name", "Georgi" + i % 97).put("last_name", "Facello" + i % 1013)
                .put("gender", i % 2 == 0 ? "M" : "F").put("hire_date", i % 500));
        }
        JsonConverter json = new JsonConverter();
        json.configure(Map.of(), false);
        List<byte[]> payloads = new ArrayList<>();
        rows.forEach(row -> payloads.add(json.fromConnectData("t", schema, row)));
        List<SourceRecord> records = new ArrayList<>();
        rows.forEach(row -> records.add(
            new SourceRecord(Map.of(), Map.of(), "t", 0, null, null, schema, row)));
        List<Transformation<SourceRecord>> chain = List.of(
            new InsertField.Value<>(), new ReplaceField.Value<>(), new Cast.Value<>(), new RegexRouter<>());
        chain.get(0).configure(Map.of("static.field", "site", "static.value", "north"));
        chain.get(1).configure(Map.of("renames", "emp_no:id"));
        chain.get(2).configure(Map.of("spec", "id:string"));
        chain.get(3).configure(Map.of("regex", "(.*)", "replacement", "copy.$1"));

        print("JSON envelope written", rows, row -> json.fromConnectData("t", schema, row));
        print("JSON envelope read", payloads, bytes -> json.toConnectData("t", bytes));
        print("chain of four", records, record -> {
            for (Transformation<SourceRecord> transform : chain) {
                record = transform.apply(record);
            }
            return record;
        });
    }

    /** Give the least CPU time of a round, after the compiler has had rounds enough. */
    private static <T> void print(String name, List<T> inputs, Function<T, Object> step) {
        var threads = ManagementFactory.getThreadMXBean();
        long best = Long.MAX_VALUE;
        for (int round = 0; round < ROUNDS; round++) {
            long began = threads.getCurrentThreadCpuTime();
            for (T input : inputs) {
                made = step.apply(input);
            }
            best = Math.min(best, threads.getCurrentThreadCpuTime() - began);
        }
        System.out.printf("%s\t%.3f%n", name, best / 1000.0 / inputs.size());
    }
}
