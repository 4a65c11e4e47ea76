/**
 * Global names in an executor thread: those that JavaScript, the Web and Deno define there.
 *
 * Some are left out on purpose: names that the thread itself uses (`postMessage`, `close`, `require`), and
 * names that are more likely a variable that was not passed (`name`, `location`).
 *
 * @module
 */

const NAMES = `
AbortController AbortSignal AggregateError Array ArrayBuffer AsyncDisposableStack Atomics BigInt BigInt64Array
BigUint64Array Blob Boolean BroadcastChannel Buffer ByteLengthQueuingStrategy Cache CacheStorage CloseEvent
CompressionStream CountQueuingStrategy Crypto CryptoKey CustomEvent DOMException DOMMatrix DOMMatrixReadOnly DOMPoint
DOMPointReadOnly DOMQuad DOMRect DOMRectReadOnly DataView Date DecompressionStream Deno DisposableStack Error ErrorEvent
EvalError Event EventSource EventTarget File FileReader FinalizationRegistry Float16Array Float32Array Float64Array
FormData Function GPU GPUBufferUsage GPUColorWrite GPUMapMode GPUShaderStage GPUTextureUsage Headers ImageBitmap ImageData
Infinity Int16Array Int32Array Int8Array Intl Iterator JSON Map Math MessageChannel MessageEvent MessagePort NaN Number
Object OffscreenCanvas Performance PerformanceEntry PerformanceMark PerformanceMeasure PerformanceObserver
PerformanceObserverEntryList ProgressEvent Promise PromiseRejectionEvent Proxy RangeError ReadableByteStreamController
ReadableStream ReadableStreamBYOBReader ReadableStreamBYOBRequest ReadableStreamDefaultController
ReadableStreamDefaultReader ReferenceError Reflect RegExp Request Response Set SharedArrayBuffer String SubtleCrypto
SuppressedError Symbol SyntaxError Temporal TextDecoder TextDecoderStream TextEncoder TextEncoderStream TransformStream
TransformStreamDefaultController TypeError URIError URL URLPattern URLSearchParams Uint16Array Uint32Array Uint8Array
Uint8ClampedArray WeakMap WeakRef WeakSet WebAssembly WebSocket Worker WritableStream WritableStreamDefaultController
WritableStreamDefaultWriter atob btoa caches clearImmediate clearInterval clearTimeout console createImageBitmap crypto
decodeURI decodeURIComponent encodeURI encodeURIComponent escape eval fetch global globalThis isFinite isNaN navigator
parseFloat parseInt performance process queueMicrotask reportError setImmediate setInterval setTimeout structuredClone
undefined unescape
`;

/** Global names of an executor thread. */
export const THREAD_GLOBALS: ReadonlySet<string> = new Set(NAMES.trim().split(/\s+/));
