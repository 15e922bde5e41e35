/**
 * Whoever asks while an answer is on its way gets that one: a thousand who ask
 * cost staging and target no more than one who asks again and again.
 */
export function sharedAnswer<T>(ask: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<T> | null = null;
  return () => {
    underWay ??= ask().finally(() => {
      underWay = null;
    });
    return underWay;
  };
}
