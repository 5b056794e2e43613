package camunda_workers;

import io.camunda.zeebe.logstreams.storage.LogStorage;
import io.camunda.zeebe.logstreams.storage.LogStorageReader;
import io.camunda.zeebe.util.buffer.BufferWriter;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.LongFunction;
import org.agrona.DirectBuffer;
import org.agrona.concurrent.UnsafeBuffer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The log of a durable engine: a batch can be read when Python has put it on disk, and not before.
 *
 * <p>A thread of Python's takes what has gathered ({@link #take}), commits it, and says so ({@link #committed}); what could not be committed is
 * simply taken again. The latest batches stay in memory for the readers, who nearly always stand at the end; older ones come from {@code disk}.
 *
 * <p>Batches travel as the positions of their first and last records (8 bytes each, big-endian), their length (4) and their bytes.
 */
public final class DurableLog implements LogStorage {
  private static final Logger LOG = LoggerFactory.getLogger(DurableLog.class);
  private static final int HEAD = 8 + 8 + 4;
  private static final long GROUP_BYTES = 16 << 20;
  private static final long TAIL_BYTES = 16 << 20;
  private static final int TAIL_BATCHES = 20_000;

  private record Batch(long low, long high, byte[] data, AppendListener listener) {}

  private final LongFunction<byte[]> disk;
  private final ArrayDeque<Batch> pending = new ArrayDeque<>();
  private final ConcurrentSkipListMap<Long, Batch> tail = new ConcurrentSkipListMap<>();
  private final List<CommitListener> listeners = new CopyOnWriteArrayList<>();
  private volatile long appended;
  private volatile long committed;
  private long tailBytes;
  private long appends;
  private int tailBatches;
  private int taken;
  private boolean woken;

  /**
   * @param committed the last position that is on disk
   * @param disk gives some batches from the one that holds a position on
   */
  public DurableLog(final long committed, final LongFunction<byte[]> disk) {
    this.committed = committed;
    this.disk = disk;
    appended = committed;
  }

  @Override
  public void append(final long low, final long high, final BufferWriter writer, final AppendListener listener) {
    final var data = new byte[writer.getLength()];
    writer.write(new UnsafeBuffer(data), 0);
    final long number;
    synchronized (this) {
      if (low != appended + 1) {
        throw new IllegalArgumentException("records " + low + " to " + high + " do not follow " + appended);
      }
      pending.add(new Batch(low, high, data, listener));
      appended = high;
      number = ++appends;
      notifyAll();
    }
    listener.onWrite(number, high);
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

  /** Returns the last position that was appended, on disk or not. */
  public long appended() {
    return appended;
  }

  /** Returns what waits to be committed, after waiting for it; nothing after {@link #wake} or when the time is over. */
  public synchronized byte[] take(final long milliseconds) throws InterruptedException {
    if (pending.isEmpty() && !woken) {
      wait(milliseconds);
    }
    woken = false;
    taken = 0;
    long length = 0;
    for (final var batch : pending) {
      if (taken > 0 && length + batch.data.length > GROUP_BYTES) {
        break;
      }
      length += HEAD + batch.data.length;
      taken++;
    }
    final var group = ByteBuffer.allocate((int) length);
    var left = taken;
    for (final var batch : pending) {
      if (left-- == 0) {
        break;
      }
      group.putLong(batch.low).putLong(batch.high).putInt(batch.data.length).put(batch.data);
    }
    return group.array();
  }

  /** Has {@link #take} return. */
  public synchronized void wake() {
    woken = true;
    notifyAll();
  }

  /** Makes what was taken last visible: it is on disk. */
  public void committed() {
    final var done = new ArrayList<Batch>();
    synchronized (this) {
      for (; taken > 0; taken--) {
        done.add(pending.remove());
      }
    }
    for (final var batch : done) {
      tail.put(batch.high, new Batch(batch.low, batch.high, batch.data, null));
      tailBytes += batch.data.length;
      tailBatches++;
    }
    while (tailBytes > TAIL_BYTES || tailBatches > TAIL_BATCHES) {
      tailBytes -= tail.pollFirstEntry().getValue().data.length;
      tailBatches--;
    }
    committed = done.get(done.size() - 1).high;
    for (final var batch : done) {
      guarded(() -> batch.listener.onCommit(appends, batch.high));
    }
    for (final var listener : listeners) {
      guarded(listener::onCommit);
    }
  }

  // The thread that commits outlives whoever listens to it.
  private static void guarded(final Runnable call) {
    try {
      call.run();
    } catch (final RuntimeException e) {
      LOG.error("a listener of the log failed", e);
    }
  }

  private void find(final long position, final ArrayDeque<Batch> found) {
    final var first = tail.firstEntry();
    if (first != null && position >= first.getValue().low) {
      final var entry = tail.ceilingEntry(position);
      if (entry == null) {
        return;
      }
      if (entry.getValue().low <= position) {
        found.add(entry.getValue());
        return;
      } // it left the memory just now
    } else if (position > committed) {
      return;
    }
    final var read = ByteBuffer.wrap(disk.apply(position));
    while (read.hasRemaining()) {
      final var low = read.getLong();
      final var high = read.getLong();
      final var data = new byte[read.getInt()];
      read.get(data);
      found.add(new Batch(low, high, data, null));
    }
  }

  /** One place in the log. */
  private final class Reader implements LogStorageReader {
    private final ArrayDeque<Batch> ahead = new ArrayDeque<>();
    private long next;

    @Override
    public void seek(final long position) {
      // A position beyond the end means the last batch: that is how the engine finds out where the log ends.
      next = Math.min(position, committed);
      ahead.clear();
    }

    @Override
    public boolean hasNext() {
      if (ahead.isEmpty()) {
        find(next, ahead);
      }
      return !ahead.isEmpty();
    }

    @Override
    public DirectBuffer next() {
      if (!hasNext()) {
        throw new NoSuchElementException();
      }
      final var batch = ahead.remove();
      next = batch.high + 1;
      return new UnsafeBuffer(batch.data);
    }

    @Override
    public void close() {
      ahead.clear();
    }
  }
}
