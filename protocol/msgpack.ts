/**
 * Encodes and decodes MessagePack in Dask's dialect.
 *
 * @module
 */

export { decodeMsgpack, Decoder, type PayloadSource } from "./msgpack_decode.ts";
export { encodeMsgpack, encodePlain, Encoder, MsgpackError } from "./msgpack_encode.ts";
