import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.opensearch.analysis.common.CommonAnalysisPlugin;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Setting;
import org.opensearch.common.settings.Settings;
import org.opensearch.index.mapper.MapperExtrasPlugin;
import org.opensearch.index.reindex.ReindexPlugin;
import org.opensearch.ingest.common.IngestCommonPlugin;
import org.opensearch.join.ParentJoinPlugin;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.painless.PainlessPlugin;
import org.opensearch.plugins.Plugin;
import org.opensearch.transport.Netty4Plugin;

/** One OpenSearch node out of the jars of a Maven repository: its stock distribution is not in any. Arguments: folder, port. */
public class Node extends org.opensearch.node.Node {
  Node(Settings settings) {
    super(
        InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "test"),
        List.of(Netty4Plugin.class, PainlessPlugin.class, ReindexPlugin.class, ParentJoinPlugin.class,
            CommonAnalysisPlugin.class, MapperExtrasPlugin.class, IngestCommonPlugin.class, LifecycleSetting.class),
        true);
  }

  /** Tasklist writes this key (as null) into its templates, whether life cycles of indices are managed or not. */
  public static class LifecycleSetting extends Plugin {
    @Override
    public List<Setting<?>> getSettings() {
      return List.of(Setting.simpleString(
          "index.plugins.index_state_management.policy_id", Setting.Property.IndexScope, Setting.Property.Dynamic));
    }
  }

  public static void main(String[] arguments) throws Exception {
    Path home = Path.of(arguments[0]).toAbsolutePath();
    int port = Integer.parseInt(arguments[1]);
    Files.createDirectories(home.resolve("config"));
    LogConfigurator.registerErrorListener();
    Node node = new Node(Settings.builder()
        .put("path.home", home).put("path.data", home.resolve("data"))
        .put("cluster.name", "test").put("node.name", "test").put("discovery.type", "single-node")
        .put("network.host", "127.0.0.1").put("http.type", "netty4").put("http.port", port)
        .put("transport.type", "netty4").put("transport.port", port + 100)
        .put("cluster.routing.allocation.disk.threshold_enabled", false)
        .put("cluster.max_shards_per_node", 3000)
        .build());
    node.start();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      try {
        node.close();
      } catch (Exception error) {
        error.printStackTrace();
      }
    }));
    Thread.currentThread().join();
  }
}
