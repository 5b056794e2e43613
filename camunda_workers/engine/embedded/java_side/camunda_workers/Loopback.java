package camunda_workers;

import io.camunda.zeebe.logstreams.log.LogAppendEntry;
import io.camunda.zeebe.logstreams.log.LogStreamWriter;
import io.camunda.zeebe.logstreams.log.WriteContext;
import io.camunda.zeebe.protocol.impl.encoding.AuthInfo;
import io.camunda.zeebe.protocol.impl.record.RecordMetadata;
import io.camunda.zeebe.protocol.impl.record.UnifiedRecordValue;
import io.camunda.zeebe.protocol.record.RecordType;
import io.camunda.zeebe.protocol.record.ValueType;
import io.camunda.zeebe.protocol.record.intent.Intent;
import io.camunda.zeebe.stream.api.InterPartitionCommandSender;

/** Commands to other partitions come back to this one: there is only one. */
public final class Loopback implements InterPartitionCommandSender {
  private final LogStreamWriter writer;

  public Loopback(final LogStreamWriter writer) {
    this.writer = writer;
  }

  @Override
  public void sendCommand(
      final int partition,
      final ValueType valueType,
      final Intent intent,
      final Long key,
      final UnifiedRecordValue command,
      final AuthInfo authorization) {
    final var metadata = new RecordMetadata().recordType(RecordType.COMMAND).valueType(valueType).intent(intent);
    if (authorization != null) {
      metadata.authorization(authorization);
    }
    final var entry = key == null ? LogAppendEntry.of(metadata, command) : LogAppendEntry.of(key, metadata, command);
    writer.tryWrite(WriteContext.interPartition(), entry);
  }
}
