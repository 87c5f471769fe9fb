/** The types of realtime.js. */

type Id = { event_id: string };
type Part = { response_id: string; item_id: string; output_index: number; content_index: number };

export type Item = {
  id: string;
  type: "message" | "function_call" | "function_call_output";
  role?: "user" | "assistant" | "system";
  status?: "in_progress" | "completed" | "incomplete";
  name?: string;
  call_id?: string;
  arguments?: string;
  /** Of a function_call_output. */
  output?: string;
  content?: { type: string; text?: string | null; transcript?: string | null }[];
};

export type Response = {
  id: string;
  status: "in_progress" | "completed" | "incomplete" | "failed" | "cancelled";
  status_details: { type?: string; reason?: string; error?: { message?: string } } | null;
  output: Item[];
  metadata?: Record<string, string> | null;
  /** In the language model's tokens; null where nobody counts them, and until the end. */
  usage?: { total_tokens: number; input_tokens: number; output_tokens: number } | null;
};

/** The server's events that come over WebRTC, with the fields that clients mostly need. */
export type ServerEvent = Id &
  (
    | { type: "session.created" | "session.updated"; session: Record<string, any> }
    | { type: "conversation.created"; conversation: { id: string; object: string } }
    | {
        type: "conversation.item.added" | "conversation.item.done";
        item: Item;
        previous_item_id?: string | null;
      }
    | { type: "conversation.item.retrieved"; item: Item }
    | { type: "conversation.item.deleted"; item_id: string }
    | {
        type: "conversation.item.truncated";
        item_id: string;
        content_index: number;
        audio_end_ms: number;
      }
    | { type: "conversation.item.input_audio_transcription.delta"; item_id: string; delta?: string }
    | {
        type: "conversation.item.input_audio_transcription.completed";
        item_id: string;
        transcript: string;
      }
    | {
        type: "conversation.item.input_audio_transcription.failed";
        item_id: string;
        error: { code?: string; message?: string };
      }
    | { type: "input_audio_buffer.speech_started"; item_id: string; audio_start_ms: number }
    | { type: "input_audio_buffer.speech_stopped"; item_id: string; audio_end_ms: number }
    | {
        type: "input_audio_buffer.timeout_triggered";
        item_id: string;
        audio_start_ms: number;
        audio_end_ms: number;
      }
    | { type: "input_audio_buffer.committed"; item_id: string; previous_item_id?: string | null }
    | { type: "input_audio_buffer.cleared" }
    | {
        type:
          | "output_audio_buffer.started"
          | "output_audio_buffer.stopped"
          | "output_audio_buffer.cleared";
        response_id: string;
      }
    | { type: "response.created" | "response.done"; response: Response }
    | {
        type: "response.output_item.added" | "response.output_item.done";
        response_id: string;
        output_index: number;
        item: Item;
      }
    | (Part & {
        type: "response.content_part.added" | "response.content_part.done";
        part: { type: "text" | "audio"; text?: string; transcript?: string };
      })
    | (Part & { type: "response.output_audio.done" })
    | (Part & { type: "response.output_audio_transcript.delta"; delta: string })
    | (Part & { type: "response.output_audio_transcript.done"; transcript: string })
    | (Part & { type: "response.output_text.delta"; delta: string })
    | (Part & { type: "response.output_text.done"; text: string })
    | {
        type: "response.function_call_arguments.delta";
        response_id: string;
        item_id: string;
        call_id: string;
        delta: string;
      }
    | {
        type: "response.function_call_arguments.done";
        response_id: string;
        item_id: string;
        call_id: string;
        name: string;
        arguments: string;
      }
    | {
        type: "rate_limits.updated";
        rate_limits: { name: string; limit: number; remaining: number; reset_seconds: number }[];
      }
    | {
        type: "error";
        error: {
          type: string;
          code?: string | null;
          message: string;
          param?: string | null;
          event_id?: string | null;
        };
      }
    | { type: `chuimsae.${string}`; at: number; [field: string]: any }
  );

/** The event of this type. */
export type EventOf<T, E = ServerEvent> = E extends { type: infer K }
  ? T extends K
    ? E & { type: T }
    : never
  : never;

export type Options = {
  microphone: MediaStream;
  /** Of the server; empty: the one that the page comes from. */
  address?: string;
  /** Better a client secret (`ek_…`, by `/v1/realtime/client_secrets`) than an API key. */
  key?: string;
  /** The session's configuration, as `session.update` takes it. */
  session?: Record<string, any>;
  /** Where they are not given, the server is asked (`GET /ice`) before each connection. */
  iceServers?: RTCIceServer[];
};

export class RealtimeCall extends EventTarget {
  constructor(options: Options);
  /** Raises RealtimeError when the server says no; `hangUp` then frees what was opened. */
  dial(): Promise<void>;
  /** Gives what stops the listening. */
  on<T extends ServerEvent["type"]>(
    type: T,
    listener: (event: EventOf<T>) => void,
  ): () => void;
  /** One of the protocol's client events. */
  send(event: { type: string } & Record<string, any>): void;
  /** Stops what the agent is saying. */
  interrupt(): void;
  /** Whether the agent hears silence instead of the microphone. */
  mute(isMuted: boolean): void;
  /** Speaks through another one from now on, without a new negotiation. */
  useMicrophone(microphone: MediaStream): Promise<void>;
  hangUp(): void;
}

/** `locked`: the key is not good; `unknown`: there is no such thing. */
export class RealtimeError extends Error {
  kind: "unreachable" | "busy" | "locked" | "unknown" | "declined";
  code: string;
  /** Seconds, of `busy`. */
  retryAfter: number;
}

export function ask(
  address: string,
  path: string,
  request?: { key?: string; /** Milliseconds. */ within?: number } & RequestInit,
): Promise<globalThis.Response>;

export function wait(header: string | null): number;
