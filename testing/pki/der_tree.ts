/**
 * DER as a tree, to damage it so that all lengths still fit: what a parser is more likely to take than
 * flipped bits.
 *
 * @module
 */

import { der, DerReader, Tag } from "../../security/x509/der.ts";
import type { Random } from "../random.ts";

/** One element. */
interface Node {
  tag: number;
  /** What stands in it: elements, or bytes. */
  content: Node[] | Uint8Array;
  /** Whether it holds elements though its tag does not say so, as extensions do. */
  readonly wrapped: boolean;
}

const CONSTRUCTED = 0x20;
/** Tags to put in place of another. */
const TAGS = [...Object.values(Tag), 0x05, 0x13, 0x1e, 0x80, 0x82, 0x86, 0x89, 0xa1, 0xa4];

function parse(bytes: Uint8Array): Node[] {
  const [reader, nodes] = [new DerReader(bytes), [] as Node[]];
  while (!reader.done) {
    const { tag, content } = reader.next();
    const constructed = (tag & CONSTRUCTED) !== 0;
    const inside = constructed ? parse(content) : tag === Tag.octetString ? parsed(content) : undefined;
    nodes.push({ tag, content: inside ?? content.slice(), wrapped: !constructed });
  }
  return nodes;
}

/** Elements in bytes, if they are that. */
function parsed(bytes: Uint8Array): Node[] | undefined {
  try {
    return bytes.length < 2 ? undefined : parse(bytes);
  } catch {
    return undefined;
  }
}

function written({ tag, content }: Node): Uint8Array {
  return content instanceof Uint8Array ? der(tag, content) : der(tag, ...content.map(written));
}

/** All lists of elements below `nodes`. */
function* lists(nodes: Node[]): Iterable<Node[]> {
  yield nodes;
  for (const { content } of nodes) if (!(content instanceof Uint8Array)) yield* lists(content);
}

/** A copy of the element `bytes` with one thing in it that is another, more, or less. */
export function damageTree(bytes: Uint8Array, random: Random): Uint8Array {
  const tree = parse(bytes);
  const list = random.pick([...lists(tree)].filter(({ length }) => length > 0));
  const at = random.below(list.length);
  const node = list[at];
  if (node === undefined) return bytes;
  switch (random.below(7)) {
    case 0:
      list.splice(at, 1);
      break;
    case 1:
      list.splice(at, 0, structuredClone(node));
      break;
    case 2:
      list.push(...list.splice(at, 1));
      break;
    case 3:
      list.splice(at + random.below(2), 0, random.pick(random.pick([...lists(parse(bytes))])) ?? node);
      break;
    case 4:
      node.tag = random.chance(0.7) ? random.pick(TAGS) : random.below(256);
      break;
    default:
      node.content = contentOf(node, random);
  }
  return new Uint8Array(tree.flatMap((one) => [...written(one)]));
}

function contentOf({ content }: Node, random: Random): Node["content"] {
  if (!(content instanceof Uint8Array)) return random.chance(0.5) ? [] : new Uint8Array(random.below(3));
  const other = content.slice();
  if (other.length > 0) other[random.below(other.length)] = random.below(256);
  const length = random.pick([0, 1, other.length, other.length, other.length, other.length - 1]);
  return random.chance(0.1)
    ? new Uint8Array([...other, random.below(256)])
    : other.slice(0, Math.max(0, length));
}
