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
  content?: { type: string; text?: string | null; transcript?: string | null }[];
};

export type Response = {
  id: string;
  status: "in_progress" | "completed" | "incomplete" | "failed" | "cancelled";
  status_details: { type?: string; reason?: string } | null;
  output: Item[];
};

/** The server's events that come over WebRTC, with the fields that clients mostly need. */
export type ServerEvent = Id &
  (
    | { type: "session.created" | "session.updated"; session: Record<string, any> }
    | { type: "conversation.item.added" | "conversation.item.done"; item: Item }
    | { type: "conversation.item.deleted"; item_id: string }
    | { type: "conversation.item.input_audio_transcription.delta"; item_id: string; delta?: string }
    | {
        type: "conversation.item.input_audio_transcription.completed";
        item_id: string;
        transcript: string;
      }
    | { type: "input_audio_buffer.speech_started"; item_id: string; audio_start_ms: number }
    | { type: "input_audio_buffer.speech_stopped"; item_id: string; audio_end_ms: number }
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
        item: Item;
      }
    | (Part & { type: "response.output_audio_transcript.delta"; delta: string })
    | (Part & { type: "response.output_audio_transcript.done"; transcript: string })
    | { type: "error"; error: { type: string; code?: string; message: string; event_id?: string } }
    | { type: `chuimsae.${string}`; at: number; [field: string]: any }
  );

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
  /** Raises RealtimeError when the server says no. */
  dial(): Promise<void>;
  /** Gives what stops the listening. */
  on<T extends ServerEvent["type"]>(
    type: T,
    listener: (event: Extract<ServerEvent, { type: T }>) => void,
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
