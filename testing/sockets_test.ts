import { assertEquals } from "@std/assert";
import { CAN_COUNT, openSockets, SocketCount } from "./sockets.ts";

Deno.test({
  name: "openSockets counts listeners and both ends of links, and no files",
  ignore: !CAN_COUNT,
  fn: async () => {
    const before = openSockets();
    const all = new SocketCount();
    let known = 0;
    const others = new SocketCount(() => known);
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using _file = await Deno.open(new URL(import.meta.url));
    assertEquals(openSockets() - before, 1);
    const dialled = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    const accepted = await listener.accept();
    assertEquals(openSockets() - before, 3);
    known = 3;
    await others.assertSame("nothing that is not known");
    accepted.close();
    dialled.close();
    listener.close();
    await all.assertSame("everything was closed");
  },
});
