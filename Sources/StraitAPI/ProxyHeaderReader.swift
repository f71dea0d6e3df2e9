// What the engine sends before all else to a service of this process: a PROXY header of version 2.

internal import NIOCore
internal import StraitCore
internal import StraitWire

/// Reads the PROXY header, sets up what comes behind it, and steps aside.
final class ProxyHeaderReader: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let time: Duration
    private let begin: (ProxyHeader, any Channel) throws -> Bool
    private var received = ByteBuffer()
    private var deadline: Scheduled<Void>?

    /// - Parameters:
    ///   - time: For the whole header; beyond, the connection is closed.
    ///   - begin: Sets up what comes behind it; false, or an error: the connection is closed.
    init(within time: Duration, _ begin: @escaping (ProxyHeader, any Channel) throws -> Bool) {
        self.time = time
        self.begin = begin
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        self.deadline = context.eventLoop.scheduleTask(
            in: TimeAmount(self.time)
        ) { channel.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.deadline?.cancel() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var more = self.unwrapInboundIn(data)
        self.received.writeBuffer(&more)
        // The engine sends it whole and first; no more of what follows is looked at than a header
        // may have.
        let count = min(self.received.readableBytes, Limits.proxyV2BytesMax)
        let bytes = self.received.getBytes(at: self.received.readerIndex, length: count) ?? []
        switch ProxyHeader.read(bytes.span) {
        case .needMore: return
        case .absent, .malformed: context.close(promise: nil)
        case .done(let header, let length):
            self.received.moveReaderIndex(forwardBy: length)
            do {
                guard try self.begin(header, context.channel) else {
                    return context.close(promise: nil)
                }
            } catch {
                return context.close(promise: nil)
            }
            context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
        }
    }

    func removeHandler(
        context: ChannelHandlerContext, removalToken: ChannelHandlerContext.RemovalToken
    ) {
        if self.received.readableBytes > 0 {
            context.fireChannelRead(self.wrapInboundOut(self.received))
            context.fireChannelReadComplete()
        }
        context.leavePipeline(removalToken: removalToken)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { return context.close(promise: nil) }
        if event is ChannelShouldQuiesceEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }
}
