class CreateTickets < ActiveRecord::Migration[6.1]
  def up
    create_table :tickets do |table|
      table.string :title, null: false
    end
    execute "INSERT INTO tickets (title) VALUES ('first ticket')"
  end

  def down
    drop_table :tickets
  end
end
