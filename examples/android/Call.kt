// A call with a Chuimsae server. build.gradle.kts: implementation("io.getstream:stream-webrtc-android:1.3.10"),
// implementation("com.squareup.okhttp3:okhttp:4.12.0"), and kotlinx-coroutines-android.
package org.example.chuimsae

import android.content.Context
import android.media.AudioManager
import android.net.ConnectivityManager
import android.net.Network
import java.nio.ByteBuffer
import kotlin.coroutines.resume
import kotlin.coroutines.resumeWithException
import kotlin.coroutines.suspendCoroutine
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.delay
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import kotlinx.coroutines.withTimeoutOrNull
import okhttp3.MediaType.Companion.toMediaType
import okhttp3.OkHttpClient
import okhttp3.Request
import okhttp3.RequestBody.Companion.toRequestBody
import okhttp3.Response
import org.json.JSONObject
import org.webrtc.*
import org.webrtc.audio.JavaAudioDeviceModule

/** [key]: a client secret (`ek_…`) that your backend asked for. [onEvent] runs on a WebRTC thread. */
class Call(
    private val context: Context,
    private val server: String,
    private val key: String,
    private val scope: CoroutineScope,
    private val onEvent: (JSONObject) -> Unit,
    private val onEnd: () -> Unit,
) {
    private val http = OkHttpClient()
    private val devices = JavaAudioDeviceModule.builder(context)
        .setUseHardwareAcousticEchoCanceler(true)
        .setUseHardwareNoiseSuppressor(true)
        .createAudioDeviceModule()
    private val factory: PeerConnectionFactory
    private val source: AudioSource
    private val microphone: AudioTrack
    private val audio = context.getSystemService(AudioManager::class.java)
    private val networks = context.getSystemService(ConnectivityManager::class.java)
    private var link: Link? = null
    private var place = "" // /v1/realtime/calls/ID
    private var token = ""
    private var keptFor = 0.0 // Seconds.
    @Volatile private var received = 0
    private var network: Network? = null
    private var isResuming = false

    init {
        PeerConnectionFactory.initialize(
            PeerConnectionFactory.InitializationOptions.builder(context).createInitializationOptions(),
        )
        factory = PeerConnectionFactory.builder().setAudioDeviceModule(devices).createPeerConnectionFactory()
        source = factory.createAudioSource(MediaConstraints())
        microphone = factory.createAudioTrack("microphone", source)
    }

    private val watch = object : ConnectivityManager.NetworkCallback() {
        override fun onAvailable(available: Network) {
            val before = network
            network = available
            if (before != null && before != available) resume()
        }
    }

    /** Throws IOException when the server can't be reached or says no. RECORD_AUDIO must be granted. */
    suspend fun dial() {
        audio.mode = AudioManager.MODE_IN_COMMUNICATION // Turns the echo canceller on.
        val link = Link(iceServers()).also { this.link = it }
        val answer = post("/v1/realtime/calls", key, link.offer())
        place = answer.header("Location").orEmpty()
        token = answer.header("Chuimsae-Resume-Token").orEmpty()
        keptFor = answer.header("Chuimsae-Resume-Within")?.toDouble() ?: 0.0
        link.accept(answer.body!!.string())
        networks.registerDefaultNetworkCallback(watch)
    }

    fun mute(isMuted: Boolean) = microphone.setEnabled(!isMuted)

    fun send(event: JSONObject) = link?.send(event)

    fun interrupt() = send(JSONObject().put("type", "output_audio_buffer.clear"))

    fun hangUp() {
        scope.launch { runCatching { post("$place/hangup", token, "") }; close() }
    }

    /** Goes on over a new connection, tried for as long as the server keeps the call. */
    private fun resume() = scope.launch(Dispatchers.Main) {
        if (isResuming || token.isEmpty()) return@launch
        isResuming = true
        val former = link
        val isBack = withTimeoutOrNull((keptFor * 1000).toLong()) {
            while (!attempt()) delay(700)
            true
        }
        former?.close()
        isResuming = false
        if (isBack == null) close()
    }

    private suspend fun attempt(): Boolean {
        val next = Link(iceServers())
        return try {
            val answer = post("$place/resume?received=$received", token, next.offer())
            link = next // Its events count from here on, the former's no longer.
            next.accept(answer.body!!.string())
            withTimeoutOrNull(6000) { next.connected.await() } ?: false
        } catch (error: java.io.IOException) {
            next.close()
            false
        }
    }

    private fun close() {
        runCatching { networks.unregisterNetworkCallback(watch) }
        link?.close()
        audio.mode = AudioManager.MODE_NORMAL
        onEnd()
    }

    private suspend fun iceServers(): List<PeerConnection.IceServer> = withContext(Dispatchers.IO) {
        val request = Request.Builder().url("$server/ice").header("Authorization", "Bearer $key").build()
        val told = runCatching { http.newCall(request).execute().use { JSONObject(it.body!!.string()) } }
        val servers = told.getOrNull()?.optJSONArray("ice_servers") ?: return@withContext emptyList()
        (0 until servers.length()).map { servers.getJSONObject(it) }.map { each ->
            val urls = each.optJSONArray("urls")?.let { all -> (0 until all.length()).map(all::getString) }
            PeerConnection.IceServer.builder(urls ?: listOf(each.getString("urls")))
                .setUsername(each.optString("username")).setPassword(each.optString("credential"))
                .createIceServer()
        }
    }

    private suspend fun post(path: String, key: String, sdp: String): Response = withContext(Dispatchers.IO) {
        val body = sdp.toByteArray().toRequestBody("application/sdp".toMediaType())
        val request = Request.Builder().url(server + path).header("Authorization", "Bearer $key").post(body)
        val answer = http.newCall(request.build()).execute()
        if (!answer.isSuccessful) throw java.io.IOException("${answer.code}: ${answer.body?.string()}")
        answer
    }

    /** One connection of the call. */
    private inner class Link(servers: List<PeerConnection.IceServer>) : PeerConnection.Observer, DataChannel.Observer {
        val connected = CompletableDeferred<Boolean>()
        private val gathered = CompletableDeferred<Unit>()
        private val peer = factory.createPeerConnection(PeerConnection.RTCConfiguration(servers), this)!!
        private val channel = peer.createDataChannel("oai-events", DataChannel.Init())

        init {
            peer.addTrack(microphone, listOf("call"))
            channel.registerObserver(this)
        }

        suspend fun offer(): String {
            set { peer.setLocalDescription(it, create { each -> peer.createOffer(each, MediaConstraints()) }) }
            withTimeoutOrNull(1000) { gathered.await() } // Candidates of the first second go along.
            return peer.localDescription.description
        }

        suspend fun accept(sdp: String) =
            set { peer.setRemoteDescription(it, SessionDescription(SessionDescription.Type.ANSWER, sdp)) }

        fun send(event: JSONObject) =
            channel.send(DataChannel.Buffer(ByteBuffer.wrap(event.toString().toByteArray()), false))

        fun close() = peer.dispose()

        override fun onMessage(buffer: DataChannel.Buffer) {
            if (link !== this) return
            val bytes = ByteArray(buffer.data.remaining()).also(buffer.data::get)
            received += 1
            onEvent(JSONObject(String(bytes)))
        }

        override fun onConnectionChange(state: PeerConnection.PeerConnectionState) {
            if (state == PeerConnection.PeerConnectionState.CONNECTED) connected.complete(true)
            if (state != PeerConnection.PeerConnectionState.FAILED) return
            if (connected.isCompleted) resume() else connected.complete(false)
        }

        override fun onIceGatheringChange(state: PeerConnection.IceGatheringState) {
            if (state == PeerConnection.IceGatheringState.COMPLETE) gathered.complete(Unit)
        }

        private suspend fun create(ask: (SdpObserver) -> Unit) = suspendCoroutine<SessionDescription> { then ->
            ask(object : Quiet() {
                override fun onCreateSuccess(made: SessionDescription) = then.resume(made)
                override fun onCreateFailure(why: String) = then.resumeWithException(IllegalStateException(why))
            })
        }

        private suspend fun set(ask: suspend (SdpObserver) -> Unit) {
            val done = CompletableDeferred<Unit>()
            ask(object : Quiet() {
                override fun onSetSuccess() { done.complete(Unit) }
                override fun onSetFailure(why: String) { done.completeExceptionally(IllegalStateException(why)) }
            })
            done.await()
        }

        override fun onBufferedAmountChange(before: Long) = Unit
        override fun onStateChange() = Unit
        override fun onSignalingChange(state: PeerConnection.SignalingState) = Unit
        override fun onIceConnectionChange(state: PeerConnection.IceConnectionState) = Unit
        override fun onIceConnectionReceivingChange(isReceiving: Boolean) = Unit
        override fun onIceCandidate(candidate: IceCandidate) = Unit
        override fun onIceCandidatesRemoved(candidates: Array<out IceCandidate>) = Unit
        override fun onAddStream(stream: MediaStream) = Unit
        override fun onRemoveStream(stream: MediaStream) = Unit
        override fun onDataChannel(channel: DataChannel) = Unit
        override fun onRenegotiationNeeded() = Unit
        override fun onAddTrack(receiver: RtpReceiver, streams: Array<out MediaStream>) = Unit // It plays by itself.
    }

    private open class Quiet : SdpObserver {
        override fun onCreateSuccess(made: SessionDescription) = Unit
        override fun onCreateFailure(why: String) = Unit
        override fun onSetSuccess() = Unit
        override fun onSetFailure(why: String) = Unit
    }
}
