package camunda_workers;

import io.camunda.search.clients.SearchClientsProxy;
import io.camunda.security.auth.BrokerRequestAuthorizationConverter;
import io.camunda.security.configuration.SecurityConfiguration;
import io.camunda.zeebe.engine.processing.EngineProcessors;
import io.camunda.zeebe.engine.processing.message.command.SubscriptionCommandSender;
import io.camunda.zeebe.engine.processing.streamprocessor.JobStreamer;
import io.camunda.zeebe.engine.processing.streamprocessor.TypedRecordProcessorContext;
import io.camunda.zeebe.engine.processing.streamprocessor.TypedRecordProcessorFactory;
import io.camunda.zeebe.engine.processing.streamprocessor.TypedRecordProcessors;
import io.camunda.zeebe.stream.api.InterPartitionCommandSender;
import io.camunda.zeebe.util.FeatureFlags;

/** Camunda's own processors, for an engine of one partition. */
public final class Processors implements TypedRecordProcessorFactory {
  private final InterPartitionCommandSender loopback;
  private final JobStreamer jobs;
  private final SecurityConfiguration security;

  public Processors(final InterPartitionCommandSender loopback, final JobStreamer jobs, final SecurityConfiguration security) {
    this.loopback = loopback;
    this.jobs = jobs;
    this.security = security;
  }

  @Override
  public TypedRecordProcessors createProcessors(final TypedRecordProcessorContext context) {
    return EngineProcessors.createEngineProcessors(
        context,
        1,
        new SubscriptionCommandSender(context.getPartitionId(), loopback),
        loopback,
        FeatureFlags.createDefault(),
        jobs,
        SearchClientsProxy.noop(),
        new BrokerRequestAuthorizationConverter(security));
  }
}
