/**
 * What refers to one another in circles, as groups: a topological order of
 * any graph.
 *
 * Tarjan's algorithm emits a group after all that can be reached from it, so
 * what is referred to comes out before what refers to it. Within a group the
 * given order is kept, and as far as nothing forces another one among groups
 * too. Iterative, for a chain of thousands must not end in a stack overflow.
 */
export function strongComponents<Node>(
  nodes: readonly Node[],
  /** What a node refers to; others than the nodes are no matter. */
  referredBy: (node: Node) => Iterable<Node>,
): Node[][] {
  const places = new Map(nodes.map((node, place) => [node, place]));
  const visits = new Map<Node, Visit<Node>>();
  const stack: Visit<Node>[] = [];
  const groups: Node[][] = [];

  const enter = (node: Node): Visit<Node> => {
    const number = visits.size;
    const visit = {
      node,
      number,
      low: number,
      onStack: true,
      referred: [...referredBy(node)].filter((each) => places.has(each)),
      next: 0,
    };
    visits.set(node, visit);
    stack.push(visit);
    return visit;
  };

  for (const root of nodes) {
    if (visits.has(root)) {
      continue;
    }
    const path = [enter(root)];
    while (path.length > 0) {
      const visit = path.at(-1)!;
      if (visit.next < visit.referred.length) {
        const node = visit.referred[visit.next++]!;
        const seen = visits.get(node);
        if (!seen) {
          path.push(enter(node));
        } else if (seen.onStack) {
          visit.low = Math.min(visit.low, seen.number);
        }
        continue;
      }
      path.pop();
      const referring = path.at(-1);
      if (referring) {
        referring.low = Math.min(referring.low, visit.low);
      }
      if (visit.low === visit.number) {
        groups.push(
          popGroup(stack, visit).toSorted(
            (a, b) => places.get(a)! - places.get(b)!,
          ),
        );
      }
    }
  }
  return groups;
}

interface Visit<Node> {
  readonly node: Node;
  readonly number: number;
  /** The smallest number on the stack that can be reached from here. */
  low: number;
  onStack: boolean;
  readonly referred: readonly Node[];
  next: number;
}

function popGroup<Node>(stack: Visit<Node>[], root: Visit<Node>): Node[] {
  const group = stack.splice(stack.lastIndexOf(root));
  for (const visit of group) {
    visit.onStack = false;
  }
  return group.map(({ node }) => node);
}
