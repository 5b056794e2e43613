package camunda_workers;

import io.camunda.zeebe.logstreams.storage.LogStorage;
import io.camunda.zeebe.logstreams.storage.LogStorageReader;
import io.camunda.zeebe.util.buffer.BufferWriter;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import org.agrona.DirectBuffer;
import org.agrona.concurrent.UnsafeBuffer;

/** The log of an engine that keeps nothing: batches by the position of their last record, each to be read as soon as it is there. */
public final class MemoryLog implements LogStorage {
  private final ConcurrentSkipListMap<Long, byte[]> batches = new ConcurrentSkipListMap<>();
  private final List<CommitListener> listeners = new CopyOnWriteArrayList<>();
  private volatile long last;
  private long appends;

  @Override
  public void append(final long low, final long high, final BufferWriter writer, final AppendListener listener) {
    final var data = new byte[writer.getLength()];
    writer.write(new UnsafeBuffer(data), 0);
    final long number;
    synchronized (this) {
      if (low != last + 1) {
        throw new IllegalArgumentException("records " + low + " to " + high + " do not follow " + last);
      }
      batches.put(high, data);
      last = high;
      number = ++appends;
    }
    listener.onWrite(number, high);
    listener.onCommit(number, high);
    listeners.forEach(CommitListener::onCommit);
  }

  @Override
  public LogStorageReader newReader() {
    return new Reader();
  }

  @Override
  public void addCommitListener(final CommitListener listener) {
    listeners.add(listener);
  }

  @Override
  public void removeCommitListener(final CommitListener listener) {
    listeners.remove(listener);
  }

  /** One place in the log. */
  private final class Reader implements LogStorageReader {
    private long next;

    @Override
    public void seek(final long position) {
      // A position beyond the end means the last batch: that is how the engine finds out where the log ends.
      next = Math.min(position, last);
    }

    @Override
    public boolean hasNext() {
      return next <= last && !batches.isEmpty();
    }

    @Override
    public DirectBuffer next() {
      final var batch = batches.ceilingEntry(next);
      if (batch == null) {
        throw new NoSuchElementException();
      }
      next = batch.getKey() + 1;
      return new UnsafeBuffer(batch.getValue());
    }

    @Override
    public void close() {}
  }
}
