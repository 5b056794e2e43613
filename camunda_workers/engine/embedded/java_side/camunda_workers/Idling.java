package camunda_workers;

import java.util.function.Supplier;
import org.agrona.concurrent.BackoffIdleStrategy;
import org.agrona.concurrent.IdleStrategy;

/** How an engine's thread waits for work: ever longer, up to a limit. Each thread asks for one of its own. */
public final class Idling implements Supplier<IdleStrategy> {
  private static final int SPINS = 10;
  private static final int YIELDS = 5;
  private static final long SHORTEST_PARK_NS = 1_000;

  private final long longestParkNs;

  public Idling(final long longestParkNs) {
    this.longestParkNs = longestParkNs;
  }

  @Override
  public IdleStrategy get() {
    return new BackoffIdleStrategy(SPINS, YIELDS, SHORTEST_PARK_NS, longestParkNs);
  }
}
