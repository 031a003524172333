class TicketsController < ActionController::API
  def index
    render json: { commit: ENV["EPH_COMMIT"], tickets: Ticket.order(:id).pluck(:title) }
  end
end
