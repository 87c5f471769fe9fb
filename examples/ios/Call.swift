// A call with a Chuimsae server. Package: https://github.com/stasel/WebRTC (product WebRTC).
import AVFoundation
import Network
import WebRTC

/// `key`: a client secret (`ek_…`) that your backend asked for. `onEvent` runs on a WebRTC thread.
final class Call: NSObject {
    private static let factory: RTCPeerConnectionFactory = { RTCInitializeSSL(); return RTCPeerConnectionFactory() }()
    private let server: URL
    private let key: String
    private let onEvent: ([String: Any]) -> Void
    private let onEnd: () -> Void
    private let microphone: RTCAudioTrack
    private let monitor = NWPathMonitor()
    private var interface: NWInterface.InterfaceType?
    private var link: Link?
    private var place = ""  // v1/realtime/calls/ID
    private var token = ""
    private var keptFor = 0.0
    private var received = 0
    private var isResuming = false

    init(server: URL, key: String, onEvent: @escaping ([String: Any]) -> Void, onEnd: @escaping () -> Void) {
        (self.server, self.key, self.onEvent, self.onEnd) = (server, key, onEvent, onEnd)
        let nothing = RTCMediaConstraints(mandatoryConstraints: nil, optionalConstraints: nil)
        microphone = Call.factory.audioTrack(with: Call.factory.audioSource(with: nothing), trackId: "microphone")
        super.init()
    }

    /// Throws when the server can't be reached or says no. The microphone must be allowed.
    @MainActor func dial() async throws {
        try prepareAudio()
        let link = makeLink(await iceServers())
        self.link = link
        let (sdp, headers) = try await post("v1/realtime/calls", key: key, body: try await link.offer())
        place = String(headers.value(forHTTPHeaderField: "Location")?.drop { $0 == "/" } ?? "")
        token = headers.value(forHTTPHeaderField: "Chuimsae-Resume-Token") ?? ""
        keptFor = Double(headers.value(forHTTPHeaderField: "Chuimsae-Resume-Within") ?? "") ?? 0
        try await link.accept(sdp)
        monitor.pathUpdateHandler = { [weak self] path in
            let now = path.availableInterfaces.first?.type
            guard let self, path.status == .satisfied, now != self.interface else { return }
            let before = self.interface
            self.interface = now
            if before != nil { Task { await self.resume() } }
        }
        monitor.start(queue: .main)
    }

    func mute(_ isMuted: Bool) { microphone.isEnabled = !isMuted }

    func send(_ event: [String: Any]) { link?.send(event) }

    func interrupt() { send(["type": "output_audio_buffer.clear"]) }

    @MainActor func hangUp() async {
        _ = try? await post("\(place)/hangup", key: token, body: "")
        close()
    }

    /// Goes on over a new connection, tried for as long as the server keeps the call.
    @MainActor private func resume() async {
        if isResuming || token.isEmpty { return }
        isResuming = true
        defer { isResuming = false }
        let former = link
        let end = Date().addingTimeInterval(keptFor)
        while Date() < end {
            if await attempt() { former?.close(); return }
            try? await Task.sleep(nanoseconds: 700_000_000)
        }
        former?.close()
        close()
    }

    @MainActor private func attempt() async -> Bool {
        let next = makeLink(await iceServers())
        do {
            let path = "\(place)/resume?received=\(received)"
            let (sdp, _) = try await post(path, key: token, body: try await next.offer())
            link = next  // Its events count from here on, the former's no longer.
            try await next.accept(sdp)
            return await next.isConnected(within: 6)
        } catch {
            next.close()
            return false
        }
    }

    private func close() {
        monitor.cancel()
        link?.close()
        onEnd()
    }

    private func makeLink(_ servers: [RTCIceServer]) -> Link {
        let link = Link(factory: Call.factory, servers: servers, microphone: microphone)
        link.onMessage = { [weak self, weak link] event in
            guard let self, link === self.link else { return }
            self.received += 1
            self.onEvent(event)
        }
        link.onBroken = { [weak self] in Task { await self?.resume() } }
        return link
    }

    /// Voice chat mode is what turns the echo canceller on.
    private func prepareAudio() throws {
        let wanted = RTCAudioSessionConfiguration.webRTC()
        wanted.category = AVAudioSession.Category.playAndRecord.rawValue
        wanted.mode = AVAudioSession.Mode.voiceChat.rawValue
        wanted.categoryOptions = [.allowBluetooth, .defaultToSpeaker]
        RTCAudioSessionConfiguration.setWebRTC(wanted)
        let session = RTCAudioSession.sharedInstance()
        session.lockForConfiguration()
        defer { session.unlockForConfiguration() }
        try session.setConfiguration(wanted, active: true)
    }

    private func iceServers() async -> [RTCIceServer] {
        var request = URLRequest(url: server.appendingPathComponent("ice"))
        request.setValue("Bearer \(key)", forHTTPHeaderField: "Authorization")
        guard let (data, _) = try? await URLSession.shared.data(for: request),
            let told = try? JSONSerialization.jsonObject(with: data) as? [String: Any],
            let servers = told["ice_servers"] as? [[String: Any]]
        else { return [] }
        return servers.map { each in
            let urls = each["urls"] as? [String] ?? [each["urls"] as? String ?? ""]
            return RTCIceServer(
                urlStrings: urls, username: each["username"] as? String, credential: each["credential"] as? String)
        }
    }

    private func post(_ path: String, key: String, body: String) async throws -> (String, HTTPURLResponse) {
        var request = URLRequest(url: URL(string: path, relativeTo: server)!)
        request.httpMethod = "POST"
        request.httpBody = Data(body.utf8)
        request.setValue("application/sdp", forHTTPHeaderField: "Content-Type")
        request.setValue("Bearer \(key)", forHTTPHeaderField: "Authorization")
        let (data, response) = try await URLSession.shared.data(for: request)
        guard let answer = response as? HTTPURLResponse, 200..<300 ~= answer.statusCode else {
            throw URLError(.badServerResponse, userInfo: ["said": String(decoding: data, as: UTF8.self)])
        }
        return (String(decoding: data, as: UTF8.self), answer)
    }
}

/// One connection of the call.
private final class Link: NSObject, RTCPeerConnectionDelegate, RTCDataChannelDelegate {
    var onMessage: ([String: Any]) -> Void = { _ in }
    var onBroken: () -> Void = {}
    private let nothing = RTCMediaConstraints(mandatoryConstraints: nil, optionalConstraints: nil)
    private var peer: RTCPeerConnection!
    private var channel: RTCDataChannel!
    private var wasConnected = false

    init(factory: RTCPeerConnectionFactory, servers: [RTCIceServer], microphone: RTCAudioTrack) {
        super.init()
        let configuration = RTCConfiguration()
        configuration.iceServers = servers
        peer = factory.peerConnection(with: configuration, constraints: nothing, delegate: self)!
        peer.add(microphone, streamIds: ["call"])
        channel = peer.dataChannel(forLabel: "oai-events", configuration: RTCDataChannelConfiguration())!
        channel.delegate = self
    }

    func offer() async throws -> String {
        try await peer.setLocalDescription(try await peer.offer(for: nothing))
        for _ in 0..<20 where peer.iceGatheringState != .complete {
            try await Task.sleep(nanoseconds: 50_000_000)  // Candidates of the first second go along.
        }
        return peer.localDescription!.sdp
    }

    func accept(_ sdp: String) async throws {
        try await peer.setRemoteDescription(RTCSessionDescription(type: .answer, sdp: sdp))
    }

    func isConnected(within seconds: Double) async -> Bool {
        for _ in 0..<Int(seconds * 20) where !wasConnected {
            try? await Task.sleep(nanoseconds: 50_000_000)
        }
        return wasConnected
    }

    func send(_ event: [String: Any]) {
        guard let data = try? JSONSerialization.data(withJSONObject: event) else { return }
        channel.sendData(RTCDataBuffer(data: data, isBinary: false))
    }

    func close() {
        onBroken = {}
        peer.close()
    }

    func dataChannel(_ channel: RTCDataChannel, didReceiveMessageWith buffer: RTCDataBuffer) {
        guard let event = try? JSONSerialization.jsonObject(with: buffer.data) as? [String: Any] else { return }
        onMessage(event)
    }

    func peerConnection(_ peer: RTCPeerConnection, didChange state: RTCPeerConnectionState) {
        if state == .connected { wasConnected = true }
        if state == .failed && wasConnected { onBroken() }
    }

    func dataChannelDidChangeState(_ channel: RTCDataChannel) {}
    func peerConnection(_ peer: RTCPeerConnection, didChange state: RTCSignalingState) {}
    func peerConnection(_ peer: RTCPeerConnection, didAdd stream: RTCMediaStream) {}  // It plays by itself.
    func peerConnection(_ peer: RTCPeerConnection, didRemove stream: RTCMediaStream) {}
    func peerConnectionShouldNegotiate(_ peer: RTCPeerConnection) {}
    func peerConnection(_ peer: RTCPeerConnection, didChange state: RTCIceConnectionState) {}
    func peerConnection(_ peer: RTCPeerConnection, didChange state: RTCIceGatheringState) {}
    func peerConnection(_ peer: RTCPeerConnection, didGenerate candidate: RTCIceCandidate) {}
    func peerConnection(_ peer: RTCPeerConnection, didRemove candidates: [RTCIceCandidate]) {}
    func peerConnection(_ peer: RTCPeerConnection, didOpen channel: RTCDataChannel) {}
}
